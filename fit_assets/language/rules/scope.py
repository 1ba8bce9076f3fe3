"""What is not a question about these installations."""

from __future__ import annotations

import re

from fit_assets.language.background import DOMAIN
from fit_assets.language.reading import Reading
from fit_assets.language.rules import phrases
from fit_assets.language.rules.installation import fit_id
from fit_assets.language.rules.places import unknown_places
from fit_assets.language.text import BLANK
from fit_assets.language.topics import OTHER_SCHEMES, OTHER_TECHNOLOGIES, OTHER_TOPICS
from fit_assets.language.vocabulary import WORDS, find_technologies

_ORDER = re.compile(
    r"^(?:(?:erm?|um|uh|ok|okay|so|right|hi|hello),? )*"
    r"(?:please |pls |plz |kindly |can (?:yo)?u |could (?:yo)?u |would (?:yo)?u |i want (?:you )?to |"
    r"(?:can|could) (?:someone|somebody|anyone) |go and |now |just )*"
    r"(?:delete|remove|erase|drop(?! (?:me|us))|merge|strike|update(?! (?:please ?[:,]|me\b|us\b))|change|edit|modify|"
    r"amend|set(?! (?:out|up a comp|.*against))|make the .* say\b|book|recommend|"
    r"add(?! up)|insert|create|rename|overwrite|correct|cancel(?! that\b)|register(?! (?:entr|details|record))|"
    r"deregister|upload|transfer|reset|move|increase|reduce|mark|replace|wipe|purge|clear|translate|assign)\b|"
    r"(?<!don't )(?<!do not )(?<!not to )\b(?:delete|overwrite|drop table)\b|"
    r"\b(?:could|can|would|will) (?:you|someone|somebody|anyone) (?:please |kindly )?"
    r"(?:change|remove|amend|erase|rename|deregister)\b|"
    r"\bplease (?:remove|erase|deregister|correct|amend|change(?= (?:its|his|her|my|our|the)\b))"
    r"(?! (?:any|anything|everything|all|those|ones|the ones)\b)\b|"
    r"\bput (?:fit )?\d+ (?:on|down|in|under)\b|\bput .* down as\b|\bbin (?:record|fit|the record|\d)|"
    r"\b(?:turn|convert|switch) (?:fit )?\d+ (?:in)?to\b|\btake (?:fit )?\d+ (?:off|out)\b|"
    r"\btake .* off the register\b|\bswap the owner\b|"
    r"\b(?:make|have) (?:fit |number |no\.? )*\d+ say\b|\bwants? (?:deleting|removing|changing)\b"
)
# Topics that also stand beside a real question: "for the Cambrian News: hydro near Machynlleth".
_IN_PASSING = phrases(
    "news",
    "grants?",
    "suppliers?",
    "(?:petrol|filling|train|railway|bus|police|fire|tube) stations?",
    "(?<!, )who (?:is|are)(?! (?:running|operating|generating|using|our|the (?:top|biggest|largest|smallest)))",
)
# What is no part of the question: "next to the battery plant", "never mind the weather", "forecast aside".
_SET_ASIDE = re.compile(
    r"\b(?:never mind|forget|ignoring|regardless of|near|beside|opposite|next to|within sight of|close to|behind)"
    rf"(?: (?:the|an?|any|{BLANK}+)){{0,2}}$"
)
_LEFT_OUT = re.compile(r"\b(?:no|not|without)(?: (?:the|an?|any))?$")


def named_outside(asked: Reading) -> list[str]:
    """What the question names that the scheme does not have: ``abroad``, ``other technology``, ``other scheme``."""
    found = {
        "abroad": asked.outside_great_britain,
        "other technology": _asks(asked, OTHER_TECHNOLOGIES, _LEFT_OUT),
        "other scheme": _asks(asked, OTHER_SCHEMES, _LEFT_OUT),
    }
    return [name for name, named in found.items() if named]


def _asks(asked: Reading, topics: re.Pattern[str], left_out: re.Pattern[str] = _SET_ASIDE) -> bool:
    """Whether one of the topics is asked for, not only mentioned beside a question about installations.

    "Hydro near the nuclear station" and "solar without storage" mention it.
    """
    found = list(topics.finditer(asked.text))
    if not found or not (asked.technologies or fit_id(asked)):
        return bool(found)
    before = [asked.text[: topic.start()].rstrip() for topic in found]
    return not all(_SET_ASIDE.search(text) or left_out.search(text) for text in before)


def _is_search(asked: Reading) -> bool:
    return bool(
        fit_id(asked)
        or (asked.technologies and (asked.places or asked.codes or asked.numbers or unknown_places(asked)))
    )


def is_out_of_scope(asked: Reading, says_something: bool) -> bool:
    """Whether to refuse; ``says_something`` is whether any rule found a filter.

    Without a word of the domain, a question is refused where it has words that nobody here knows: "Devon" is a
    search in Devon, "restaurants in Devon" is none.
    """
    if named_outside(asked) or asked.has(_ORDER) or _asks(asked, OTHER_TOPICS):
        return True
    if asked.has(_IN_PASSING) and not _is_search(asked):
        return True
    if find_technologies(asked.text) or asked.has(DOMAIN) or asked.of_kind("kw", "fit_id") or fit_id(asked):
        return False
    familiar = WORDS | asked.number_words
    # "what is there in Blaenavon"
    familiar |= {word for name in unknown_places(asked) for word in re.findall(r"[a-z']+", name.lower())}
    unfamiliar = [word for word in re.findall(r"[a-z']{2,}", asked.text) if word not in familiar]
    return bool(unfamiliar) or not says_something
