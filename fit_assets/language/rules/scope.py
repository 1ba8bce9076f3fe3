"""What is not a question about these installations."""

from __future__ import annotations

import re

from fit_assets.language.reading import Reading
from fit_assets.language.rules import phrases
from fit_assets.language.rules.installation import fit_id
from fit_assets.language.rules.places import unknown_places
from fit_assets.language.vocabulary import WORDS

_OTHER_TECHNOLOGIES = phrases(
    r"heat[ -]?pumps?",
    "nuclear",
    r"batter(?:y|ies)",
    "geothermal",
    "tidal",
    "wave (?:power|energy)",
    "coal",
    "diesel",
    "hydrogen",
    "biomass",
    "offshore",
    "natural gas",
    r"gas (?:turbines?|plants?|boilers?|fired|engines?|power)",
    "solar thermal",
    r"ev charg\w+",
    r"charg(?:ing|e) points?",
    "(?<!chp )(?<!power )boilers?",
    "(?:landfill|sewage|shale) gas",
    "storage",
    "grid (?:[a-z]+ )?(?:capacity|connections?)",
)
_OTHER_SCHEMES = phrases(
    "seg",
    "smart export",
    "cfds?",
    "contracts? for differences?",
    "rocs?",
    "renewables obligation",
    "rhi",
    "renewable heat incentive",
    "regos?",
    "capacity market",
    "eco4",
    "boiler upgrade",
)
_ORDER = re.compile(
    r"^(?:(?:erm?|um|uh|ok|okay|so|right|hi|hello),? )*"
    r"(?:please |can you |could you |would you |i want (?:you )?to |go and |now |just )*"
    r"(?:delete|remove|erase|drop|merge|strike|update(?! please ?[:,])|change|edit|modify|amend|set(?! .*against)|"
    r"add(?! up)|insert|create|rename|overwrite|correct|cancel|register(?! (?:entr|details|record))|deregister|upload|"
    r"transfer|reset|move|increase|reduce|mark|replace|wipe|purge|clear|translate|assign)\b|"
    r"\b(?:delete|overwrite|drop table)\b"
)
_OTHER_TOPICS = phrases(
    "(?<!never mind the )weather",
    "forecast",
    "(?:how|too|so|very|be|get|it) windy",
    "wind (?:speed|chill|direction|instruments?)",
    "sunny",
    "rain",
    "poems?",
    "cover letters?",
    "(?:write|compose|draft) (?:me )?an?",
    "haikus?",
    # "for my essay: average capacity by country" is a question all the same.
    "(?<!for my )(?<!for an )(?<!for the )(?<!my )essays?(?! (?:is )?(?:due|deadline|tomorrow|tonight))",
    "recipe",
    "heads of terms",
    "term sheets?",
    "letters? of intent",
    "breeds? of|(?:best|which|what) breeds?",
    r"graz(?:e|ing) (?:under|beneath|between|among|around)",
    "(?:nearest|closest) (?:[a-z]+ )?(?:stations?|garage|pub|shop|supermarket|cafe|cash ?point|toilets?|bus stop)",
    "football",
    "restaurants?",
    "hotels?",
    "explain",
    "invented",
    "made of",
    "who (?:invented|was|won)",
    r"how (?:do|does|did) .*(?:works?|made|built)",
    "how to (?:build|make|install|claim|apply)",
    "how do i(?! (?:find|see|get|list|show|look))",
    "co2",
    "bank details",
    "history of",
    "quotes? for",
    r"why (?:is|was|are|were|do|does|did|has|have|won't|can't)",
    "do you think",
    "(?:kill|harm|hurt|scare)s?",
    r"planning app\w+",
    "people live",
    "population",
    "ppa price",
    "(?<!from )(?<!near )(?<!by )my (?:roof|house|home|garden|bill|boiler)",
    "(?:cheapest|electricity|energy|gas) tariffs?",
    "planning permission",
    "mortgage",
    "loan",
    "grants?",
    "vat",
    "eclipse",
    "planets?",
    "price of",
    "costs? (?:of|to)",
    "much (?:do|does|would|is|are|did) .*costs?",
    "(?:should|shud) (?:i|we)",
    "(?:not )?worth (?:it|getting|having)",
    "insurance",
    "telly",
    r"how (?:duz|dos) ",
    "(?:electric|electricity|energy|gas) prices?",
    "(?:installer|electrician|plumber)s?",
    "planning (?:consent|rules?)",
    "best (?:angle|company|firm|brand|make|way)",
    "house prices?",
    "jobs? (?:at|in|on)",
    "(?:limerick|song|story|joke|funny)s?",
    "repairs?",
    "nois[ey]+",
    "droughts?",
    "solar system facts",
    "ignore (?:all|the|your|previous)",
    "stock",
    "share prices?",
    "(?:manufacturer|brand|inverter)s?",
    r"what (?:is|are) (?:an? )?(?:anaerobic digestion|photovoltaics?|hydro(?: ?power)?|solar (?:power|energy)|"
    r"wind (?:power|energy)|(?:micro )?chp|feed[- ]in tariffs?|a fit)\??$",
)
# Topics that also stand beside a real question: "for the Cambrian News: hydro near Machynlleth".
_IN_PASSING = phrases(
    "news",
    "suppliers?",
    "(?:petrol|filling|train|railway|bus|police|fire|tube) stations?",
    "who (?:is|are)(?! (?:running|operating|generating|using|our|the (?:top|biggest|largest|smallest)))",
)
_DOMAIN = phrases(
    "sites?",
    "(?:wind)?farms?",
    "installations?",
    "installs?",
    "accreditations?",
    "plants?",
    "schemes?",
    "projects?",
    "systems?",
    "arrays?",
    "assets?",
    "stations?",
    "generators?",
    "generation",
    "fits?",
    "feed[- ]in",
    "tariffs?",
    "capacity",
    "capacities",
    r"commission\w+",
    r"subsid(?:y|ies)",
    r"re-?power\w*",
    "ppas?",
    "portfolio",
    "power purchase",
    "takeovers?",
    "contracts?",
    "prospects",
    "renewables?",
    "records?",
    r"register(?:ed)?",
    r"acqui\w+",
    "installed",
    r"expir\w+",
    r"ends? in \d{4}",
    "technolog(?:y|ies)",
    "techs?",
    "breakdown",
    "stacks? up",
    "(?:show|list|give me|get) (?:me )?(?:everything|the lot|the whole lot|them all)",
)


def named_outside(asked: Reading) -> list[str]:
    """What the question names that the scheme does not have: ``abroad``, ``other technology``, ``other scheme``."""
    found = {
        "abroad": asked.outside_great_britain,
        "other technology": asked.has(_OTHER_TECHNOLOGIES),
        "other scheme": asked.has(_OTHER_SCHEMES),
    }
    return [name for name, named in found.items() if named]


def is_out_of_scope(asked: Reading, says_something: bool) -> bool:
    """Whether to refuse; ``says_something`` is whether any rule found a filter.

    Without a word of the domain, a question is refused where it has words that nobody here knows: "Devon" is a
    search in Devon, "restaurants in Devon" is none.
    """
    if named_outside(asked) or asked.has(_ORDER) or asked.has(_OTHER_TOPICS):
        return True
    is_search = asked.technologies and (asked.places or asked.codes or asked.numbers or unknown_places(asked))
    if asked.has(_IN_PASSING) and not is_search:
        return True
    if asked.technologies or asked.has(_DOMAIN) or asked.of_kind("kw", "fit_id") or fit_id(asked):
        return False
    numbers = {word for number in asked.numbers for word in asked.written(number).split()}
    familiar = WORDS | numbers
    # "what is there in Blaenavon"
    familiar |= {word for name in unknown_places(asked) for word in re.findall(r"[a-z']+", name.lower())}
    unfamiliar = [word for word in re.findall(r"[a-z']{2,}", asked.text) if word not in familiar]
    return bool(unfamiliar) or not says_something
