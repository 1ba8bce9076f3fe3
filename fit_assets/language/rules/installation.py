"""One installation by its FIT id, tariff rates, and what is to be shown beside the rows."""

from __future__ import annotations

import re

from fit_assets.language.bounds import bound_of
from fit_assets.language.numbers import digits_of
from fit_assets.language.reading import Reading
from fit_assets.language.rules import Filters, phrases

_ABOUT_ONE_BEFORE = re.compile(
    r"(?<![a-z])(?:(?:details?|info(?:rmation)?|record|revenue|income|earnings|rate|tariff|data|capacity|size|location|"
    r"owner) (?:of|for|on|about|from)|(?:when|where|what|how (?:much|long|big|old|many years)|rate|tariff) "
    r"(?:does|do|is|was|did|will|has)|tell me about|about|look ?up|find|show(?: me)?|get|pull up|open|check|"
    r"what's|what is|^is)(?: the)?$"
)
_ABOUT_ONE_AFTER = re.compile(r"(?:'s|ends?|expires?|details|gets?|pays?)\b")
_SUM_BEFORE = re.compile(r"(?:%|per ?cent|[0-9]) ?(?:of|times|plus|minus|divided by|[-+*/x])$")

_NAMED_TECHNOLOGY = (
    r"(?:wind|wind ?farms?|energy|turbines?|solar|pv|photovoltaics?|hydro|hydro[ -]?electric\w*|digest\w+|biogas|"
    r"anaerobic|ad|chp|cogen\w*|power)"
)
_RATE = phrases(
    r"(?<!at any )rates?(?! (?:power|output|capacity))",
    r"p(?:ence)? ?(?:/|per) ?(?:kwh|kilowatt[ -]?hour|unit)",
    r"per (?:unit|kwh)",
    # "wind feed-in tariff built in 2013", but not "wind feed-in tariff sites"
    rf"{_NAMED_TECHNOLOGY} (?:feed[- ]in tariff|fit)(?= (?:that|which|whose|coming|switched|sized?|put|built|"
    r"installed|commissioned|accredited|registered|no|not|over|under|above|below|between|from|north|at|since|after|before|"
    r"in|for|with|down|by|on|near|earlier|later)\b| [0-9]|$)",
    r"what(?:'s|s| is| was)? (?:the )?(?:feed[- ]in tariff|fit) "
    r"(?:for|on|of|paid|is|are|was|were|do|does|did|would|will)",
    r"how (?:much|high|low|big) (?:is|was) the (?:fit|feed[- ]in tariff|tariff)\b"
    r"(?! (?:scheme|database|register|data|market|portfolio))",
    r"^(?:the )?(?:feed[- ]in tariff|fit) (?:for|on|of)",
    r"what (?:did|does|do) .* (?:get|earn|receive) (?:as|on|from) (?:an? |the |its |their )?"
    r"(?:fit|feed[- ]in tariff|tariff)",
    r"what (?:did|does|do) the (?:scheme|fit|feed[- ]in tariff) pay",
)
# "tariff" is the rate, unless the question is about its time: "years of tariff left", "the tariff ends".
_TARIFF = phrases(
    r"(?<!feed-in )(?<!feed in )(?<!off )(?<!off the )(?<!on the )(?<!of )(?<!their )tariffs?"
    r"(?! (?:(?:that|which|will|is|are|to|nearly|almost|not|never|isn't|doesn't|won't) )*"
    r"(?:left|done|must|lasts?|lasting|"
    r"continu\w*|over(?! §)|good|remain\w*|end\w*|"
    r"already|expir\w*|period|term|life\w*|run\w*|stops?|"
    r"finish\w*|laps\w*|tails?|runways?|to|still|years|income|revenue|payments?|beyond|until|gone|has|comes))"
)
_TIME_OF_TARIFF = phrases(
    r"(?:years?|months?|left|remaining|expir\w+|end(?:s|ing)?|finish\w*|laps\w+|runs? out|running out|"
    r"come|comes|coming|out) (?:[a-z'-]+ ){0,4}tariffs?",
    r"when (?:do|does|did|will|is|are) (?:[a-z'-]+ ){0,3}tariffs?",
    r"(?:stop(?:s|ping)?|los(?:e|es|ing)|leav(?:e|es|ing)) (?:getting |receiving |being paid |drawing )?"
    r"(?:the |their |its )?tariffs?",
    r"tariffs? (?:[a-z'-]+ ){0,4}(?:window|optimal|soon|(?<!put )(?<!set )up(?! to))",
)
_REVENUE = phrases(
    "(?<!not the )(?<!not )rev(?:enue)?s?",
    "incomes?",
    r"earn(?:s|ed|ing|ings)?",
    "payouts?",
    "(?<!raised )(?<!raising )(?<!some )(?<!share )(?<!spare )money"
    "(?! (?:to|put|aside|for|ready|waiting|stops|runs|in the bank))",
    r"how much (?:do|does|did|is|are|has|have|would|will) .*(?:make|makes|making|made|paid|bring in|brought in)",
)
_REGIONAL = phrases(
    "adjust(?:ed|ment) (?:for|by) region",
    r"regional(?:ly)?(?! (?:breakdown|split|comparison|counts?|totals?|(?:league )?tables?))",
)


def fit_id(asked: Reading) -> str | None:
    """The FIT id that the question is about: named as one, or a bare number of four or more digits."""
    for named in asked.of_kind("fit_id"):
        return digits_of(asked.written(named))
    for quantity in asked.of_kind("number", "year"):
        written = asked.written(quantity)
        if not re.fullmatch(r"[0-9]{4,12}", written):
            continue
        alone = not re.search(r"[a-z0-9§]", asked.text.replace(written, ""))
        if (
            alone
            or (
                _ABOUT_ONE_BEFORE.search(asked.before(quantity))
                and (quantity.kind == "number" or not asked.technologies)
            )
            or (quantity.kind == "number" and _ABOUT_ONE_AFTER.match(asked.after(quantity)))
            or (
                quantity.kind == "number"
                and not asked.technologies
                and bound_of(asked, quantity) is None
                and not _SUM_BEFORE.search(asked.before(quantity))
            )
        ):
            return written
    return None


def fit_rate(asked: Reading) -> Filters:
    """``query_type`` where a tariff rate is asked for."""
    about_time = asked.has(_TIME_OF_TARIFF) or asked.of_kind("years")  # "still drawing tariff, with 12 years to go"
    asks = asked.has(_RATE) or (asked.has(_TARIFF) and not about_time)
    return {"query_type": "fit_rate"} if asks else {}


def shown(asked: Reading) -> Filters:
    """``include_revenue`` and ``include_regional``."""
    wanted = {"include_revenue": asked.has(_REVENUE), "include_regional": asked.has(_REGIONAL)}
    return {key: True for key, value in wanted.items() if value}
