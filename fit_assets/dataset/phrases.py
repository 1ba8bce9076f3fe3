"""The phrase files in ``data/phrases/``: how people say things, one phrase a line, no code needed to add one.

A file has sections (``[wind plural]``), comments (``#``) and phrases. In a phrase ``(a|b|)`` is a choice, here
between a, b and nothing, and ``{name}`` is filled in: a value of the slot (``{n}``), or, in frames, a whole
part of the question (``{np}``, ``{rest}``) or one slot in one form (``{place.post}``). A line that stands
twice is twice as common.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from fit_assets import settings

_SECTION = re.compile(r"\[([^\[\]|]+)\]")
_INNERMOST_CHOICE = re.compile(r"\(([^()]*\|[^()]*)\)")
_NAME = re.compile(r"\{([^{}]*)\}")
_NAME_SHAPE = re.compile(r"[a-z_]+(\.[a-z_]+)?")


class PhraseError(ValueError):
    """A phrase file that cannot be used; the message names file, line and the mend."""


@dataclass(frozen=True)
class Phrase:
    """One line of a phrase file and the names that it needs filled in: values, and ``slot.form`` pairs."""

    text: str
    names: frozenset[str]

    @cached_property
    def slots(self) -> tuple[tuple[str, str], ...]:
        """The (slot, form) pairs among the names."""
        pairs = (name.partition(".") for name in sorted(self.names) if "." in name)
        return tuple((slot, form) for slot, _, form in pairs)

    @cached_property
    def values(self) -> frozenset[str]:
        """The names that are not pairs."""
        return frozenset(name for name in self.names if "." not in name)


@dataclass(frozen=True)
class PhraseBook:
    """All phrases, by file and section."""

    files: Mapping[str, Mapping[str, tuple[Phrase, ...]]]

    def lines(self, file: str, section: str) -> tuple[Phrase, ...]:
        """The phrases of one section.

        Raises:
            PhraseError: the file or the section is missing.
        """
        try:
            return self.files[file][section]
        except KeyError:
            raise PhraseError(f"{file}.txt: no section [{section}]; add it with at least one phrase") from None

    def forms(self, file: str, kind: str) -> dict[str, tuple[Phrase, ...]]:
        """All sections ``[kind form]`` of a file, by form."""
        found = {
            section.removeprefix(kind).strip(): phrases
            for section, phrases in self.files.get(file, {}).items()
            if section.startswith(kind + " ")
        }
        if not found:
            raise PhraseError(f"{file}.txt: no section [{kind} ...]; add one with at least one phrase")
        return found

    def words(self) -> frozenset[str]:
        """Every word that stands in any phrase, in lower case."""
        return frozenset(
            word
            for sections in self.files.values()
            for phrases in sections.values()
            for phrase in phrases
            for word in re.findall(r"[a-z']+", _NAME.sub(" ", phrase.text.lower()))
        )


def load_phrases(folder: Path | None = None) -> PhraseBook:
    """Read every ``*.txt`` file of the folder (default: ``data/phrases``); kept until a file changes.

    Raises:
        PhraseError: no files, or a line that cannot be used.
    """
    folder = folder or settings.phrases_dir()
    paths = sorted(folder.glob("*.txt"))
    if not paths:
        raise PhraseError(f"{folder}: no phrase files (*.txt); restore them from the repository")
    return _load(tuple((path, path.stat().st_mtime_ns) for path in paths))


def choose(text: str, rng: random.Random) -> str:
    """Settle every ``(a|b|)`` of a phrase, from the inside out."""
    while match := _INNERMOST_CHOICE.search(text):
        text = text[: match.start()] + rng.choice(match[1].split("|")) + text[match.end() :]
    return text


def names_in(text: str) -> list[str]:
    """The ``{names}`` of a text, in order."""
    return _NAME.findall(text)


def phrase_report(book: PhraseBook | None = None) -> dict[str, dict[str, int]]:
    """How many lines, and how many wordings with every choice spelt out, each file offers.

    Returns a mapping of file name to ``{"sections", "lines", "wordings"}``.
    """
    book = book or load_phrases()
    report: dict[str, dict[str, int]] = {}
    for file, sections in book.files.items():
        counts = Counter(sections=len(sections))
        for phrases in sections.values():
            counts["lines"] += len(phrases)
            counts["wordings"] += sum(_wordings(phrase.text) for phrase in phrases)
        report[file] = dict(counts)
    return report


@lru_cache(maxsize=4)
def _load(stamped: tuple[tuple[Path, int], ...]) -> PhraseBook:
    return PhraseBook({path.stem: _read(path) for path, _ in stamped})


def _read(path: Path) -> dict[str, tuple[Phrase, ...]]:
    sections: dict[str, list[Phrase]] = {}
    current: list[Phrase] | None = None
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        line = raw.strip()
        where = f"{path.name}, line {number}"
        if not line or line.startswith("#"):
            continue
        if heading := _SECTION.fullmatch(line):
            name = heading[1].strip()
            if name in sections:
                raise PhraseError(f"{where}: section [{name}] stands twice; merge the two")
            current = sections[name] = []
            continue
        if current is None:
            raise PhraseError(f"{where}: a phrase before the first [section]; put it under one")
        current.append(_phrase(line, where))
    empty = sorted(name for name, phrases in sections.items() if not phrases)
    if empty:
        raise PhraseError(f"{path.name}: section [{empty[0]}] is empty; add a phrase or remove it")
    return {name: tuple(phrases) for name, phrases in sections.items()}


def _phrase(line: str, where: str) -> Phrase:
    names = names_in(line)
    wrong = [name for name in names if not _NAME_SHAPE.fullmatch(name)]
    if wrong or line.count("{") != line.count("}") or line.count("{") != len(names):
        raise PhraseError(f"{where}: {line!r}: a name in braces must look like {{n}} or {{place.post}}")
    settled = line
    while match := _INNERMOST_CHOICE.search(settled):
        settled = settled[: match.start()] + "_" + settled[match.end() :]
    if "|" in settled or settled.count("(") != settled.count(")"):
        raise PhraseError(f"{where}: {line!r}: choices must look like (a|b|c); check the brackets")
    if any("{" in choice[1] for choice in _INNERMOST_CHOICE.finditer(line)):
        raise PhraseError(f"{where}: {line!r}: no {{name}} inside a choice; write two lines")
    return Phrase(line, frozenset(names))


def _wordings(text: str) -> int:
    """Wordings of a phrase; a choice nested in a choice counts as the sum of its sides."""
    total = 1
    while match := _INNERMOST_CHOICE.search(text):
        total *= match[1].count("|") + 1
        text = text[: match.start()] + "_" + text[match.end() :]
    return total
