"""What hands, microphones and hurry do to a question: a stage of its own, with known rates.

Noise never touches a digit, a unit, a number word or a text that the gold copies letter by letter, and never
makes one word into another that the phrases or the gazetteer know: "over" cannot become "under", a place
cannot become another place.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from fit_assets.dataset.spoken import number_words

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS = {key: row[max(i - 1, 0) : i] + row[i + 1 : i + 2] for row in _ROWS for i, key in enumerate(row)}
# Words of numbers and units: a slip in one of them could be another number.
_UNTOUCHABLE = {word for number in range(100) for word in number_words(number).split("-")} | {
    *("kw", "mw", "kwp", "mwp", "kws", "meg", "megs", "megawatt", "megawatts", "kilowatt", "kilowatts"),
    *("mega", "kilo", "watt", "watts"),
    *("half", "quarter", "quarters", "hundred", "thousand", "point", "decade", "couple"),
    *("year", "years", "month", "months", "mths"),
}
_SPEECH = (
    (r"\bmegawatt(s?)\b", (r"mega watt\1", r"mega watt\1", r"mega-watt\1")),
    (r"\bkilowatt(s?)\b", (r"kilo watt\1", r"kilo-watt\1")),
    (r"(?<=[0-9]) ?kW\b", (" k w", " k.w.", " kay w")),
    (r"(?<=[0-9]) ?MW\b", (" m w", " m.w.")),
    (r"\bwind ?farms\b", ("wind farm's", "windfarms", "wind-farms", "when farms")),
    (r"\bwindfarm\b", ("wind farm", "wind-farm")),
    (r"\bsolar farms\b", ("solar farm's", "solarfarms", "sola farms")),
    (r"\bphotovoltaic(s?)\b", (r"photo voltaic\1", r"photo-voltaic\1", r"photovoltiac\1")),
    (r"\banaerobic\b", ("an aerobic", "anerobic", "anaerobik")),
    (r"\bPV\b", ("P V", "p.v.")),
    (r"\bAD\b", ("A D", "A.D.")),
    (r"\bCHP\b", ("C H P", "C.H.P.")),
    (r"\bPPA(s?)\b", (r"P P A\1", r"p.p.a.")),
    (r"\bhydro ?electric\b", ("hydro electric", "hydro-electric", "hydrolectric")),
    (r"\brepowering\b", ("re-powering", "re powering", "repower ing")),
    (r"\bpostcode\b", ("post code", "post-code")),
    (r"\binstallations\b", ("instalations", "installation's")),
)
_SHORTHAND = (
    (r"\byou\b", "u"),
    (r"\bare\b", "r"),
    (r"\bplease\b", "pls"),
    (r"\bwith\b", "w/"),
    (r"\binstallations\b", "installs"),
    (r"\bcapacity\b", "cap."),
    (r"\bbetween\b", "btwn"),
    (r"\bcommissioned\b", "comm."),
    (r"\baverage\b", "avg"),
    (r"\bnumber\b", "no."),
    (r"\btechnology\b", "tech"),
    (r"\bgenerators\b", "gens"),
    (r"\bgoing\b", "goin"),
    (r"\bbecause\b", "cos"),
)
_FILLERS = ("um", "er", "erm", "like", "basically", "actually", "you know", "sort of", "uh", "just", "hmm")


@dataclass(frozen=True)
class NoiseConfig:
    """Share of the questions that each kind of noise reaches, 0 to 1; ``scale`` multiplies all of them."""

    typo: float = 0.14
    second_typo: float = 0.03
    speech: float = 0.07
    shorthand: float = 0.05
    filler: float = 0.03
    unit_spacing: float = 0.08
    lost_space: float = 0.01
    lost_apostrophes: float = 0.4
    lost_punctuation: float = 0.2
    lower: float = 0.45
    upper: float = 0.03
    capitalised: float = 0.25
    scale: float = 1.0


def add_noise(
    text: str,
    rng: random.Random,
    config: NoiseConfig,
    *,
    protected: Collection[str] = (),
    known_words: Collection[str] = (),
    keeps_meaning: Callable[[str], bool] = lambda text: True,
) -> str:
    """The question with some of the noise on it, each kind at its own rate.

    ``protected`` texts stay letter by letter (but for their case); a typo never yields one of ``known_words``;
    a typo that ``keeps_meaning`` refuses is taken back.
    """

    def hit(rate: float) -> bool:
        return rng.random() < rate * config.scale

    fixed = {word for text in protected for word in re.findall(r"[a-z]+", text.lower())}
    if hit(config.speech):
        text = _replaced(text, rng, _SPEECH, fixed)
    if hit(config.shorthand):
        text = _replaced(text, rng, tuple((old, (new,)) for old, new in _SHORTHAND), fixed)
    if hit(config.filler):
        text = _with_filler(text, rng, protected)
    if hit(config.unit_spacing):
        text = _respaced_units(text, rng)
    if hit(config.lost_space):
        text = re.sub(r"\b(over|under|above|below) (?=[0-9])", r"\1", text, count=1)
    for rate in (config.typo, config.second_typo):
        if hit(rate):
            changed = _with_typo(text, rng, fixed, known_words)
            text = changed if keeps_meaning(changed) else text
    if hit(config.lost_apostrophes) and not any("'" in word for word in protected):
        text = re.sub(r"(?<=[a-zA-Z])'(?=[a-z])", "", text)
    if hit(config.lost_punctuation):
        text = " ".join(re.sub(r"[?!,;:](?=\s|$)|(?<=[a-z])\.(?=\s|$)", "", text).split())
    return _recased(text, rng, config)


def _replaced(text: str, rng: random.Random, rules: tuple[tuple[str, tuple[str, ...]], ...], fixed: set[str]) -> str:
    """One rule that applies, applied once."""
    able = []
    for pattern, options in rules:
        match = re.search(pattern, text, re.IGNORECASE)
        if match and not fixed & set(re.findall(r"[a-z]+", match[0].lower())):
            able.append((pattern, options))
    if not able:
        return text
    pattern, options = rng.choice(able)
    return re.sub(pattern, rng.choice(options), text, count=1, flags=re.IGNORECASE)


def _with_filler(text: str, rng: random.Random, protected: Collection[str]) -> str:
    """A filler word in one of the gaps, never inside a protected text or beside a number."""
    gaps = [match.start() for match in re.finditer(r"(?<=[a-z,]) (?=[a-z])", text)]
    spans = [match.span() for part in protected for match in re.finditer(re.escape(part), text)]
    gaps = [gap for gap in gaps if not any(start <= gap < end for start, end in spans)]
    # Only after the first words: "how many", "in Devon" and "more than" stay together where they often break.
    return f"{text[: gaps[0]]} {rng.choice(_FILLERS)}{text[gaps[0] :]}" if gaps else f"{rng.choice(_FILLERS)} {text}"


def _respaced_units(text: str, rng: random.Random) -> str:
    if re.search(r"[0-9] (kW|MW)\b", text, re.IGNORECASE):
        return re.sub(r"(?<=[0-9]) (kW|MW)\b", r"\1", text, flags=re.IGNORECASE)
    return re.sub(r"(?<=[0-9])(kW|MW)\b", r" \1", text, flags=re.IGNORECASE)


def _with_typo(text: str, rng: random.Random, fixed: set[str], known_words: Collection[str]) -> str:
    words = [
        match
        for match in re.finditer(r"(?<![\w'])[A-Za-z]{4,}(?![\w'])", text)
        if match[0].lower() not in _UNTOUCHABLE and match[0].lower() not in fixed and not match[0].isupper()
    ]
    if not words:
        return text
    match = rng.choice(words)
    for _ in range(5):
        word = _misspelt(match[0], rng)
        if word.lower() not in known_words and word.lower() != match[0].lower():
            return text[: match.start()] + word + text[match.end() :]
    return text


def _misspelt(word: str, rng: random.Random) -> str:
    """One slip somewhere behind the first letter."""
    index = rng.randrange(1, len(word))
    kind = rng.choice(("swap", "drop", "double", "neighbour") if len(word) > 4 else ("swap", "double"))
    if kind == "swap" and index + 1 < len(word):
        return word[:index] + word[index + 1] + word[index] + word[index + 2 :]
    if kind == "drop":
        return word[:index] + word[index + 1 :]
    if kind == "neighbour" and word[index] in _NEIGHBOURS:
        return word[:index] + rng.choice(_NEIGHBOURS[word[index]]) + word[index + 1 :]
    return word[:index] + word[index] + word[index:]


def _recased(text: str, rng: random.Random, config: NoiseConfig) -> str:
    roll = rng.random() / config.scale if config.scale else 1.0
    if roll < config.lower:
        return text.lower()
    if roll < config.lower + config.upper:
        return text.upper()
    if roll < config.lower + config.upper + config.capitalised:
        return text[:1].upper() + text[1:]
    return text
