"""Why somebody searches, and how many years of tariff are left."""

from __future__ import annotations

import re

from fit_assets.language.bounds import bounds
from fit_assets.language.reading import Reading
from fit_assets.language.rules import Filters, phrases

_HAS = r"(?:(?:has|have|had|'ve) (?:already |now |just )?|already |now )"
# What has come off its tariff is not coming off it.
_COMING_OFF = (
    r"(?:(?:com|roll|fall|dropp?|go)in[g']? off|"
    r"(?<!has )(?<!have )(?<!already )(?<!now )(?<!just )(?:com|roll|fall|drop|go)(?:es|e|s) off)"
)
SUPPORT = r"(?:fits?|subsid(?:y|ies)|tariffs?|feed[- ]in|support|scheme)"
# Each intent with the bound on the years left that it brings along.
_INTENTS: tuple[tuple[str, re.Pattern[str], Filters], ...] = (
    ("repowering_opportunities", phrases(r"re-?power\w*"), {"fit_remaining_max_years": 10}),
    (
        "ppa_opportunities",
        phrases(
            "ppas?",
            r"p\.? ?p\.? ?a\b\.?(?:-ready)?",
            "power purchase",
            rf"{_COMING_OFF} (?:of )?(?:the |their |its )?{SUPPORT}",
            rf"leav(?:e|es|ing) (?:the )?{SUPPORT}",
        ),
        {"fit_remaining_max_years": 5},
    ),
    (
        "acquisition_targets",
        phrases(
            r"(?:to )?(?:buy|acquire|purchase)",
            r"acqui\w+",
            "buying",
            "purchasing",
            "takeovers?",
            "for sale",
            "buy-?outs?",
            "for (?:a|our|the|my) buyers?",
            "buyers? (?:seeks?|seeking|wants?|looking|in search of)",
        ),
        {},
    ),
)

_TIME_LEFT = phrases(
    "left",
    # The trade's words for the time left.
    "tails?",
    "runways?",
    r"remain(?:s|ing)?",
    r"expir\w*",
    "end(?:s|ing)?",
    "to (?:go|run)",
    "run(?:s|ning)? out",
    "gone",
    "stops?",
    r"subsid\w+",
    "tariffs?",
    "fits?",
    r"laps\w+",
    r"finish\w*",
    r"leav(?:es?|ing)",
    "until",
    "window",
    "still (?:got|have|has)",
    rf"of {SUPPORT}",
    rf"los(?:e|es|ing) (?:the |their |its )?{SUPPORT}",
    "more years",
    "on the clock",
    "(?:good|running) for",
    _COMING_OFF,
    r"re-?power\w*",
    "ppas?",
)
_AGE_AFTER = re.compile(r"(?:old|of age|ago)\b")
_OF_TARIFF_AFTER = re.compile(rf"of (?:the |their |its )?{SUPPORT}\b")
_AGE_BEFORE = re.compile(r"\b(?:last|past|previous|older than|newer than|younger than|every|per)$")

_STILL_PAID = phrases("still on", r"(?:not|yet to) (?:\w+ )?(?:expired?|ended)", "before (?:they|it)")
# "off FIT" has ended, "coming off FIT" has not.
_LEAVING_VERBS = ("coming", "come", "comes", "going", "go", "goes", "rolling", "falling", "dropping")
_NOT_YET = "".join(f"(?<!{verb} )" for verb in _LEAVING_VERBS)
_EXPIRED = phrases(
    "expired",
    rf"{_HAS}(?:come|gone|rolled|fallen|dropped) off",
    r"(?:came|went|fell|rolled|dropped) off(?! (?:to|for|with|on|sick|(?:the|our|my) (?:short)?list)\b)",
    rf"{_NOT_YET}off[ -](?:the )?{SUPPORT}",
    rf"{SUPPORT} (?:has |have |is |are )?(?:already )?(?:ended|lapsed|finished|stopped|run out|over(?! [a-z§]))",
    rf"no {SUPPORT} left",
    "already (?:ended|lapsed|finished|off)",
)
_WORDS: tuple[tuple[re.Pattern[str], Filters], ...] = (
    (phrases("optimal"), {"fit_remaining_min_years": 5, "fit_remaining_max_years": 10}),
    (phrases("immediate(?:ly)?"), {"fit_remaining_max_years": 2}),
    (
        phrases(
            "(?<!not )(?<!nothing )(?<!too )urgent(?:ly)?",
            r"expir(?:ing|es?|y)(?! (?:dates?|years?)\b)",
            r"(?:end|finish|laps)ing",
            "running (?:out|down|low)",
            rf"near(?:ing|s)?(?: to)? the end of (?:its |their |the )?{SUPPORT}",
            "(?<!as )soon(?! as)",
            "(?:almost|nearly|about) (?:up|out|over|done|finished|gone)",
        ),
        {"fit_remaining_max_years": 5},
    ),
)


def intent(asked: Reading) -> tuple[Filters, Filters]:
    """``query_intent``, and the bound on the years left that it brings where the question states none."""
    for name, words, default in _INTENTS:
        if asked.has(words):
            return {"query_intent": name}, default
    return {}, {}


def stated_time_left(asked: Reading) -> Filters:
    """Bounds on the years of tariff left that the question states in numbers."""
    durations = [
        quantity
        for quantity in asked.of_kind("years")
        if quantity.value <= 100
        and not _AGE_AFTER.match(asked.after(quantity))
        and not (_AGE_BEFORE.search(asked.before(quantity)) and not _OF_TARIFF_AFTER.match(asked.after(quantity)))
    ]
    if not durations or not asked.has(_TIME_LEFT):
        return {}
    low, high = bounds(asked, durations, alone="max")
    found = {"fit_remaining_min_years": low, "fit_remaining_max_years": high}
    return {key: value for key, value in found.items() if value is not None}


def time_left(asked: Reading, *, by_year: bool = False, ranked: bool = False) -> Filters:
    """Bounds on the years of tariff left: stated, or what a word stands for, or what an intent brings along.

    ``by_year`` says that the question bounds the year of the tariff's end, ``ranked`` that it ranks by the time left
    ("expiring first"): neither needs a word's or an intent's default.
    """
    stated = stated_time_left(asked)
    if stated or by_year:
        return stated
    worded = {} if ranked else worded_time_left(asked)
    return worded or intent(asked)[1]


def worded_time_left(asked: Reading) -> Filters:
    """Bounds on the years of tariff left that a word stands for ("expired", "urgent", the "optimal" window)."""
    if asked.has(_EXPIRED) and not asked.has(_STILL_PAID):
        return {"fit_remaining_max_years": 0}
    return next((dict(bound) for words, bound in _WORDS if asked.has(words)), {})
