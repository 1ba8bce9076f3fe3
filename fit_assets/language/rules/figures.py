"""Figures over a set, breakdowns, comparisons and rankings."""

from __future__ import annotations

import re

from fit_assets.language.bounds import bound_of
from fit_assets.language.numbers import Quantity
from fit_assets.language.reading import Reading
from fit_assets.language.rules import Filters, phrases
from fit_assets.language.rules.business import SUPPORT

# Figures -------------------------------------------------------------------------------------------------------------

_NOUN = (
    r"(?:site|farm|park|installation|install|turbine|array|plant|scheme|project|system|digester|station|asset|generator|panel|unit|"
    r"windmill|boiler|engine|facility|target|prospect|candidate|earner)"
)
_POWER = r"(?:mw|kw|gw|mega\w*|kilow\w*|giga\w*|megs)"
_SIZE = r"(?:installed )?(?:capacity|size)"
_NO_BOUND = r"(?! (?:of |is )?\d|: ?\d|=)"
_OF_WHAT = r"(?:(?:wind|turbine|solar|pv|photovoltaic|panel|hydro|ad|anaerobic|digest(?:ion|er)|biogas|chp)(?:'s)? )*"
_OF_ONE = rf"(?:single )?{_OF_WHAT}(?:{_NOUN}'s )?{_SIZE}\b{_NO_BOUND}"
# "Max kW of any hydro in Snowdonia"
_POWER_OF = rf"{_POWER} (?:of|for|among) (?:any|all|the)\b"
_HIGHEST = re.compile(rf"\b(?:max(?:imum)?|largest|biggest|highest)[ (](?:{_OF_ONE}|{_POWER_OF})")
_LOWEST = re.compile(rf"\b(?:min(?:imum)?|smallest|lowest)[ (](?:{_OF_ONE}|{_POWER_OF})")
# "How big is the smallest digester" asks for a figure as well.
_SIZE_OF_THE = (
    rf"(?:how (?:big|large|small|many {_POWER}|much {_POWER})|what (?:capacity|size)) "
    r"(?:is|was|has|does) the (?:single )?"
)
_HIGHEST_SIZE_OF = phrases(rf"{_SIZE_OF_THE}(?:largest|biggest|highest)")
_LOWEST_SIZE_OF = phrases(rf"{_SIZE_OF_THE}(?:smallest|lowest|tiniest)")
# "Smallest turbine in Fenland, as a kW figure"
_AS_FIGURE = phrases(
    rf"(?:as|in|just|only) (?:an? |the )?(?:single )?(?:{_POWER}|capacity|size) (?:figure|number|value)",
    rf"(?:{_POWER}|capacity|size) (?:[a-z]+ )?figure",
    "(?:just|only) the (?:figure|number|value)",
)
_FIGURE_OF_RANK = {"capacity_desc": "max_capacity", "capacity_asc": "min_capacity"}
# "Which county has the largest capacity" asks for the sum of each.
_OWNED_BY_GROUP = phrases(rf"(?:has|have|had|with|got) the (?:max(?:imum)?|largest|biggest|highest) {_OF_WHAT}{_SIZE}")
_FIGURES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("max_capacity", _HIGHEST),
    ("min_capacity", _LOWEST),
    (
        "avg_capacity",
        phrases(
            "average",
            "averaged",
            "(?<!i )(?<!we )(?<!you )(?<!they )mean",
            "avg",
            "ave(?= size| capacity)",
            "typical",
            "typically",
        ),
    ),
    (
        "count",
        phrases(
            rf"how many(?! (?:{_POWER}|years|months))",
            "(?<!what )(?<!\\bi )(?<!not )(?<!not a )(?<!not the )(?<!no )count(?:s|ing(?! only))?(?! for me)",
            "how much (?:turbines|panels|sites|farms|installations|schemes|plants|digesters)",
            "(?:total )?number of",
            "total number",
            r"no\.? of",
            "num(?:bers)? of",
            "(?<!just the )(?<!only the )(?<!one )number$",
            "^number(?= (?:wind|solar|pv|hydro|ad|chp|biogas))",
            "are there more",
            "numbers(?= (?:by|per))",
            rf"(?:has|have|had|got|with) (?:the )?(?:more|most|fewer|fewest) {_OF_WHAT}{_NOUN}s?",
            "tally",
            "headcount",
            "numbers?[ -]wise",
            "by number",
            r"compar\w+ (?:.*(?:by|on|the) |(?:[a-z]+ ){1,3})numbers?",
            "(?:the|in) numbers? (?:in|of|for) (?:each|both)",
        ),
    ),
    (
        "sum_capacity",
        phrases(
            r"(?:tot(?:al)?|combined|whole(?= (?:installed )?capacity)|overall|aggregate|cumulative|summed|sum(?: of)?)"
            r"(?! (?:number|count|heat|(?:[a-z]+ )?(?:revenue|income|earnings)))",
            rf"how much (?:(?:[a-z]+ ){{0,2}}(?:capacity|{_POWER})|wind|solar|hydro)",
            rf"how many {_POWER}",
            rf"totals?,? ?\(?{_POWER}",
            rf"(?<![0-9] )(?<![0-9]){_POWER} (?:installed |commissioned |added )?(?:by|per)",
            "add(?:s|ed)? up",
            r"compar\w+ .*(?:by|on) capacity",
            "(?:breakdown|split|sum|amount) of capacity",
            rf"(?:more|greater|less) (?:capacity|{_POWER}) of",
            "how much (?:turbine|pv|photovoltaic|ad|digester|biogas|(?:micro[ -]?)?chp)",
            rf"(?<!with )(?<!with the )most (?:capacity|{_POWER})",
            rf"{_POWER}[ -]wise",
        ),
    ),
)
# "Wind by council - MW": the unit without a number names the figure of a breakdown or comparison.
_BARE_POWER = phrases(_POWER)
_CAPACITY = re.compile(r"\bcapacit(?:y|ies)\b")
_GROUPED = re.compile(r"\b(?:by|per)\b")
_NO_FIGURE_BEFORE = re.compile(r"\b(?:by|with|of|in)$")
_NO_FIGURE_AFTER = re.compile(r"(?:factor|market|of \d|order)")

# Breakdowns ----------------------------------------------------------------------------------------------------------

_BY = (
    r"(?:(?:group(?:ed)?)?by|divided by|per|(?:for |in )?(?:each|every)|across(?: the| all)?|split by|which|what|"
    r"(?:top|first) (?:[0-9]+|[a-z]+))"
    r"(?: (?:of (?:the|our|my|these)|the|our|uk|english|british|different))*"
)
_BREAKDOWN = "(?:breakdown|break-down|split|mix|spread|profile|distribution|counts?|totals?|(?:league )?tables?)"
_RANKED = r"rank(?:ing)? (?:of )?(?:the )?"
_GROUPS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "region",
        phrases(
            rf"{_BY} (?:regions?|area of the country)",
            "region by region",
            rf"{_RANKED}regions|regions (?:ranked|with the (?:most|highest))",
            f"regional {_BREAKDOWN}",
            "(?:across|over|among|between) the (?:[a-z§]+ )?regions",
        ),
    ),
    (
        "local_authority",
        phrases(
            rf"{_BY} (?:count(?:y|ies)|(?:local )?councils?|(?:local )?authorit(?:y|ies)|las?(?! ?\d)|districts?|"
            "boroughs?)",
            "(council|county|authority) by \\1",
            f"(?:council|county|(?:local )?authority|district) {_BREAKDOWN}",
            rf"{_RANKED}(?:counties|councils|authorities)",
            "(?:counties|councils|authorities) (?:(?:in|of|across) [a-z§ ]+)?(?:ranked|with the most)",
            "(?:which|what) [a-z§]+ (?:counties|councils|authorities|districts)",
        ),
    ),
    (
        "country",
        phrases(
            rf"{_BY} (?:home )?(?:countr(?:y|ies)|nations?)",
            f"(?:national|nation|country) {_BREAKDOWN}",
            f"{_BREAKDOWN} (?:of|between|across|among) the (?:home |three )?(?:countries|nations)",
        ),
    ),
    (
        "technology",
        phrases(
            rf"{_BY} (?:technolog(?:y|ies)|tech|techs|(?:energy |generation )?types?|fuels?)",
            f"tech(?:s|nology|nologies)? {_BREAKDOWN}",
            f"{_BREAKDOWN} of (?:the )?(?:technologies|techs|types)",
            "technologies .*(?:each|every)(?: one)?",
            rf"{_RANKED}(?:technologies|types)|(?:technologies|types) ranked",
        ),
    ),
    (
        "commissioned_year",
        phrases(
            f"(?:yearly|annual|year|vintage) (?:[a-z]+ )?(?:[a-z]+ing )?(?:numbers?|{_BREAKDOWN})",
            rf"{_BY} (?:(?:commission(?:ing|ed)|install(?:ation|ed)?) )?(?:years?(?! \d)|vintages?)",
            "(year|vintage) by \\1",
            r"(?:per|each|every|by)[ -](?:yr|year)(?! \d)",
            rf"{_RANKED}(?:commissioning |installation )?years|years ranked",
            rf"{_BY} year of commissioning",
        ),
    ),
    (
        "postcode_area",
        phrases(
            rf"{_BY} (?:post ?codes?(?: areas?)?|postal areas?)",
            f"post ?code(?: area)? {_BREAKDOWN}",
            "post ?code areas with the (?:most|highest)",
        ),
    ),
)

# Rankings ------------------------------------------------------------------------------------------------------------

_MOST = r"(?:highest|top|best|biggest|greatest|most|max(?:imum)?)"
_SPELLED = r"(?:an?|one|two|three|four|five|six|seven|eight|nine|ten|t[wh][a-z]+ty|forty|fifty)"
_ASCENDING = r"asc\w* (?:order )?(?:of|by)"
_DESCENDING = r"desc\w* (?:order )?(?:of|by)"
_SORTED_BY = r"(?:sort|order|rank)(?:ed)? by(?: the)?"
_TIME_LEFT = (
    r"(?:fits? |tariff )?(?:years? (?:left|remaining)|expir(?:y|ies)|time (?:left|remaining|to (?:expiry|run|go))|left|"
    r"tails?|runways?|end date|remaining)"
)
_BY_REVENUE = "(?<!numbers )(?<!figures )(?<!data )(?:by|on) (?:annual |yearly )?(?:revenue|income|earnings)"
# "Compare hydro and wind by revenue" ranks nothing.
BY_REVENUE = phrases(_BY_REVENUE)
_RANKS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "revenue_desc",
        phrases(
            rf"{_MOST}[ -](?:(?:[0-9]+|[a-z]+) )?{_OF_WHAT}(?:"
            "earn(?:ing|ers?|ings)|paid|paying|revenues?|incomes?|lucrative|profitable|money)",
            "earn(?:s|ing)? (?:the )?most",
            rf"(?:{_DESCENDING}|highest to lowest) (?:revenue|income|earnings)",
            "mak(?:es?|ing) (?:the )?most money",
            _BY_REVENUE,
            "(?:revenue|income|earnings),? highest first",
        ),
    ),
    (
        "fit_remaining_asc",
        phrases(
            r"(?:expir\w*|end(?:s|ing)?|finish\w*|laps\w+|stop(?:s|ping)?|run(?:s|ning)? out|"
            r"com(?:e|es|ing) off (?:the )?\w+|"
            r"(?:come|roll|fall|drop|go|time)(?:s|es|d|ing)? (?:off|out)|(?<!to )(?:go|goes|lapse|drop)|"
            r"(?:stop|los)\w* (?:getting |receiving )?(?:the |their |its )?\w+)"
            rf"(?: (?:of )?(?:the |their |its )?{SUPPORT})?(?: the)? (?:first|soonest|earliest|next(?! \d))",
            r"(?:by|of) how soon (?:[a-z]+ ){1,4}(?:expir\w*|ends?|finish\w*|runs? out|stops?|dies?)",
            rf"first (?:[0-9]+|{_SPELLED}) (?:[a-z]+ ){{0,3}}"
            r"to (?:expire|end|run out|finish|lapse|go|(?:come|roll|drop) off)",
            rf"(?:soonest|earliest|next|first)(?: (?:[0-9]+|{_SPELLED}))?[ -]"
            r"(?:to )?(?:expir\w*|end\w*|run out|finish|come off)",
            rf"next (?:(?:[0-9]+|{_SPELLED}) )?(?:[a-z]+ ){{0,2}}to (?:expire|end|run out|finish|come off)",
            "(?:least|shortest|fewest) (?:time|years?|tariff|term|period)",
            r"closest to expir\w*",
            "soonest first",
            "in order of (?:expiry|end date|years? left|time left)",
            rf"{_SORTED_BY} {_TIME_LEFT}",
            rf"rank .*by {_TIME_LEFT}",
            rf"(?:top|first|next) (?:[0-9]+|{_SPELLED}) (?:[a-z§]+ ){{0,4}}by {_TIME_LEFT}",
            r"(?:tails?|runways?|expir(?:y|ies)|(?:time|years) left),? (?:shortest|soonest|nearest|least) (?:first|to)",
            "(?:shortest|least) (?:tails?|runways?)",
            "by (?:end|expiry) of (?:the )?tariff",
        ),
    ),
    (
        "commissioned_desc",
        phrases(
            r"date,? desc\w*",
            "(?:newest|most new)",
            "most recent(?:ly)?",
            "(?<!at the )(?<!at the very )latest(?! by|:)",
            "youngest",
            "last (?:to be )?(?:built|commissioned)",
        ),
    ),
    (
        "commissioned_asc",
        phrases(
            r"date,? asc\w*",
            "(?:oldest|most old)",
            "(?<!at the )(?<!at the very )earliest",
            "longest[ -]running",
            "first (?:to be )?(?:built|commissioned)",
            "first ever",
            rf"first {_OF_WHAT}{_NOUN}s? (?:ever|to be (?:built|commissioned|installed))",
        ),
    ),
    (
        "capacity_asc",
        phrases(
            "smallest",
            rf"bottom(?= (?:[0-9]|{_SPELLED}\b))",
            "lowest to highest",
            "tiniest",
            "littlest",
            rf"{_SORTED_BY} {_SIZE},? (?:low|small)",
            rf"lowest {_SIZE}",
            rf"{_SIZE},? asc\w*",
            rf"{_ASCENDING} {_SIZE}",
        ),
    ),
    (
        "capacity_desc",
        phrases(
            "largest",
            "biggest",
            "(?:beef|chunk|meat|might)iest",
            "with (?:the )?most (?:kilowatts|megawatts|kw|mw|power)",
            "top",
            "highest",
            "greatest",
            "most powerful",
            rf"best(?= (?:[0-9]+|{_SPELLED}) .*by {_SIZE})",
            rf"{_SORTED_BY} {_SIZE}",
            rf"(?:{_SIZE}|kw|mw),? desc\w*",
            rf"{_DESCENDING} {_SIZE}",
        ),
    ),
)
_SUPERLATIVE = "(?:largest|biggest|smallest|tiniest|newest|youngest|oldest|latest|earliest|highest|lowest)"
_ON_TOP = "(?:first|on top|at the top)"
_ONLY_ORDERED = phrases(
    "(?:largest|biggest|smallest|newest|oldest|latest|most recent|earliest|highest(?:[ -]earning)?|lowest|soonest)"
    "(?: ones?| expiry)? "
    "(?:first|to|at the top)",
    "(?:first|soonest|earliest) at the top",
    r"(?:sort|order|rank)(?:ed)?(?: them)? by",
    rf"(?:{_SIZE}|date),? (?:asc|desc)\w*",
    "(?:top|highest|best) earners? first",
    rf"{_SUPERLATIVE} (?:capacity|size|output)? ?{_ON_TOP}",
    "(?:shortest|least|nearest) (?:first|to)",
    rf"{_ASCENDING}|{_DESCENDING}",
    "in order of",
)
_FROM_TO = re.compile(rf"\b({_SUPERLATIVE}) to {_SUPERLATIVE}\b")
_PLURAL = re.compile(rf"\b{_NOUN}s\b|\bhydros\b|\bfacilities\b|\bones\b|\bopportunities\b|\bwindfarms\b")
_SINGULAR = re.compile(
    rf"\b{_NOUN}\b(?! (?:renewables? |fit |feed-in tariff )?{_NOUN}s?\b)|\bone\b|\bopportunity\b|\b(?:wind|solar)farm\b"
)
# "Biggest hydro in Wales" is one scheme; "biggest wind in Wales" are several.
_ONE_HYDRO = re.compile(rf"(?:{_SUPERLATIVE}) (?:[a-z]+ )?(?:hydro|ad)\b(?!,? ?(?:[a-z]+ ){{0,2}}{_NOUN}s)")
_JOINED_NOUN = re.compile(r" ?(?:&|/|and\b|or\b) ?[a-z]")
_OWNED_BY_ROWS = re.compile(rf"\b{_NOUN}s? (?:(?:that|which) )?(?:has|have|had|with|of) the$")
# "which wind farm in the Central Belt is biggest"
_IS_SUPERLATIVE = re.compile(r"\b(?:which|what) .*\b(?:is|was|are|were|have|get)(?: the)?$")
_ASKS_FOR_THE = re.compile(r"\b(?:the|single|(?:what|who|which)(?:'s|s| is))$")
_RANKS_BY_VERB = re.compile(r"(?:first|soonest|earliest|next|most|ever)$|^(?:earn|mak)")
_TOP_BEFORE = re.compile(
    rf"\b(?:top|(?<!was the )(?<!were the )first|soonest|{_SUPERLATIVE}|"
    rf"{_SUPERLATIVE}[ -]earning|limit(?:ed)?(?: to)?|(?:keep|cap) it (?:to|at)|only|just|ones:|best|which|"
    r"give (?:me|us)|gimme|show(?: me| us)?|(?:handful|few) ?:?)$"
)
_TOP_GROUPS = phrases(r"top (?:[0-9]+|[a-z]+) (?:regions|counties|councils|districts|countries|years)")
_ROWS = re.compile(
    rf"of (?:them|those|the)\b|with the (?:most|least|(?:high|low|larg|small|long|short)est)\b|"
    rf"(?:§+ )?(?:(?:wind|solar|pv|hydro|ad|biogas|chp) )?{_NOUN}s?\b|hydros\b|results?\b|rows?\b|"
    r",? ?(?:say|will do|would do|is plenty|is enough)\b"
)

# Comparisons ---------------------------------------------------------------------------------------------------------

_COMPARE = phrases(
    r"compar(?!ables?\b)\w+(?! notes)",
    "head[- ]to[- ]head",
    "contrast",
    "side by side",
    "stacks? up",
    r"(?:put|set|stack|line) .*(?:next to|alongside|beside|against)",
    "how (?:do|does) .*(?:differ|measure up|line up)",
)
_MORE_OR_MOST = "(?:more|most|bigger|biggest|larger|largest|greater|greatest|higher|highest|smaller|smallest)(?! than)"
_VERSUS = phrases(
    r"(?<!\bp\.)(?<!\bp )(?:vs?|vrs)\.?",
    "versus",
    "against",
    "diff(?:erence)?s? between",
    r"(?:further ahead|better off|beats?|ahead of|outstrips?|outdo(?:es)?|outperforms?)",
    "(?:which|who)(?: one| of (?:them|these|the two))?(?: has|'s got| have| got| is) (?:the )?" + _MORE_OR_MOST,
    "(?:which|who) (?:earns?|makes?|pays?|gets?) (?:the )?(?:more|most)",
    "(?:more|bigger|larger|greater|higher|most) (?!than).*,? or",
    "(?:biggest|largest).*, .* or",
    r"(?:do|does|did|is|are|has) .+ or [^ ,]+(?: (?!or\b)[a-z§]+){0,4} (?:the )?" + _MORE_OR_MOST,
    rf"than(?! (?:\d|half|most|{_SPELLED}))",
)


def aggregation(asked: Reading, ranking: Filters, compares: bool) -> Filters:
    """``query_type``, ``aggregation`` and ``group_by`` where a figure or a breakdown is asked for.

    Groups may be ranked ("top 5 regions by capacity"), a single figure may not.
    """
    group = _group(asked)
    figure = _figure(asked, {} if group else ranking)
    if (group or compares) and figure is None and _names_power(asked):
        figure = "sum_capacity"
    if not group and asked.has(_HIGHEST_SIZE_OF):
        figure = "max_capacity"
    elif not group and asked.has(_LOWEST_SIZE_OF):
        figure = "min_capacity"
    elif not group and asked.has(_AS_FIGURE):
        figure = _FIGURE_OF_RANK.get(ranking.get("sort_by", ""), figure)
    if group and figure == "max_capacity" and asked.has(_OWNED_BY_GROUP):
        figure = "sum_capacity"
    if not figure and not group:
        return {}
    found: Filters = {"query_type": "aggregation", "aggregation": figure or "count"}
    return found | ({"group_by": group} | _top(asked, ranking) if group else {})


def comparison(asked: Reading, several_places: bool = False) -> Filters:
    """``query_type`` where technologies or places are compared."""
    several = several_places or len(asked.technologies) > 1 or len(asked.places) > 1
    return {"query_type": "comparison"} if asked.has(_COMPARE) or (several and asked.has(_VERSUS)) else {}


def rank(asked: Reading) -> Filters:
    """``sort_by`` and ``limit``."""
    from_to = _FROM_TO.search(asked.text)  # "from oldest to newest" begins with the oldest
    for sort_by, words in _RANKS:
        superlative = words.search(asked.text)
        if superlative and from_to and from_to.start(1) != superlative.start():
            continue
        if superlative and not (sort_by.startswith("capacity") and _is_figure(asked, superlative)):
            return {"sort_by": sort_by} | _limit(asked, superlative)
    return {}


def _top(asked: Reading, ranking: Filters) -> Filters:
    """The ranking, where it is one of groups."""
    return ranking if asked.has(_TOP_GROUPS) else {}


def _figure(asked: Reading, ranking: Filters) -> str | None:
    for figure, words in _FIGURES:
        if asked.has(words) and not (figure in ("max_capacity", "min_capacity") and ranking):
            return figure
    return "sum_capacity" if not ranking and any(map(asked.written, _bare_capacities(asked))) else None


def _bare_capacities(asked: Reading) -> list[Quantity]:
    """The word alone: "wind capacity in Scotland", but not "capacity over 500 kW", "500 kW capacity", "by capacity"."""
    bare = []
    for match in _CAPACITY.finditer(asked.text):
        word = Quantity(0, "number", *match.span())
        beside_number = any(
            0 <= word.start - number.end <= 4
            or (0 <= number.start - word.end <= 24 and not _GROUPED.search(asked.between(word, number)))
            for number in asked.of_kind("kw", "number")
        )
        before, after = asked.before(word), asked.after(word)
        if not beside_number and not _NO_FIGURE_BEFORE.search(before) and not _NO_FIGURE_AFTER.match(after):
            bare.append(word)
    return bare


def _names_power(asked: Reading) -> bool:
    """Whether the question has a unit of power that belongs to no number."""
    numbers = asked.of_kind("kw")
    return any(
        all(number.end <= unit.start() or unit.end() <= number.start for number in numbers)
        for unit in _BARE_POWER.finditer(asked.text)
    )


def _group(asked: Reading) -> str | None:
    return next((group for group, words in _GROUPS if asked.has(words)), None)


def _is_figure(asked: Reading, superlative: re.Match[str]) -> bool:
    """ "The largest capacity of wind in Devon" asks for a figure, "largest capacity wind farms" for rows.

    So does "the site with the largest capacity".
    """
    if _OWNED_BY_ROWS.search(asked.text[: superlative.start()].rstrip()):
        return False
    match = _HIGHEST.match(asked.text, superlative.start()) or _LOWEST.match(asked.text, superlative.start())
    if match is None:
        return False
    rest = asked.text[match.end() :]
    return re.match(rf",? (?:wind|solar|hydro|ad|pv|{_NOUN}|{_ON_TOP})", rest) is None


def _limit(asked: Reading, superlative: re.Match[str]) -> Filters:
    for number in asked.of_kind("number"):
        if _counts_rows(asked, number, superlative):
            return {"limit": int(number.value)}
    if asked.has(_ONLY_ORDERED):
        return {}
    # "which sites expire first": the noun stands before the superlative.
    before = asked.text[: superlative.start()].rstrip()
    noun_before = (
        _RANKS_BY_VERB.search(superlative[0]) or _OWNED_BY_ROWS.search(before) or _IS_SUPERLATIVE.search(before)
    )
    where = asked.text if noun_before else asked.text[superlative.end() :]
    plural = _PLURAL.search(where)
    # "turbine & digester sites": the first noun is one of several technologies.
    singular = next((noun for noun in _SINGULAR.finditer(where) if not _JOINED_NOUN.match(where[noun.end() :])), None)
    if plural and (singular is None or plural.start() <= singular.start()):
        return {"limit": 10}
    asked_for_one = singular or _ASKS_FOR_THE.search(before) or _ONE_HYDRO.match(asked.text, superlative.start())
    return {"limit": 1 if asked_for_one else 10}


def _counts_rows(asked: Reading, number: Quantity, superlative: re.Match[str]) -> bool:
    """ "top 10", "10 largest", "the largest 5", "first 20", "show 3 sites that …"."""
    if number.value < 1 or not float(number.value).is_integer() or number.value > 1000:
        return False
    beside = superlative.start() - number.end in (0, 1) or number.start - superlative.end() in (0, 1)
    beside |= superlative.start() <= number.start < superlative.end()  # "the next 5 expiring"
    counts = _TOP_BEFORE.search(asked.before(number)) or _ROWS.match(asked.after(number))
    return bool(beside or (counts and bound_of(asked, number) != "about")) and bound_of(asked, number) != "min"
