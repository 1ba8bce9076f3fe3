"""Places: known ones with their postcode patterns, unknown ones by name."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from rapidfuzz.distance import OSA

from fit_assets.language.reading import Named, Reading
from fit_assets.language.rules import Filters, phrases
from fit_assets.language.text import BLANK
from fit_assets.language.vocabulary import WORDS, excluded, find_technologies, word_set

_PREPOSITION = re.compile(
    # "My brother in law"
    r"(?<![\w-])(?:in(?!(?<=er in) law\b)|"
    r"round|near(?: to)?|nr|nearby|around|across|within|throughout|at|on|inside|outside|"
    r"close to|next to|by|from|(?:vicinity|neighbourhood|outskirts) of|(?:location|place|town|county) is|"
    r"(?:north|south|east|west) of)\s+(?:the\s+)?(?:(?:town|city|village|county|area|parish|region) of\s+)?"
    # A word with a digit in it is no name.
    r"(?P<words>[a-z][a-z'.&-]*(?![a-z0-9])(?:,?\s+[a-z&][a-z'.-]*(?![a-z0-9])){0,7})"
)
# "over Strathpeffer way", an isle wherever it is named, and a column of a table (place:"saffron walden").
_SAID = re.compile(
    r"\b(?:over (?P<way>[a-z][a-z'-]*(?: [a-z'-]+){0,2}?) way\b|(?P<isle>isle of (?!the\b)[a-z]+)|"
    r"(?:place|location|town|area|where) ?[:=] ?[\"']?(?P<column>[a-z][a-z' -]+))"
)
_JOINED = re.compile(r"\s*[,/]\s*(?:and\s+|or\s+)?|\s+(?:and|or|vs|versus|&)\s+")
# What stands between the names of a list: "in Kent and in Snoring", "Kent against Snoring".
_LINK = (
    r"(?:'s)?(?: (?:ones?|sites?|farms?))?"
    r"(?: ?[,/&+] ?(?:and |or )?| (?:and|or|vs?|versus|against|with|to|than|from|not|compared (?:to|with)) )"
    r"(?:(?:in|near|around|at|by|on|for|of|those|that|the|what's|what is|solar|pv|panels|wind|turbines|hydro|ad|chp) )*"
)
_LISTED = re.compile(rf"{BLANK}(?P<names>(?:(?:, ?| and | or | & )(?:and |or )?[a-z]{{4,}})+)(?=,|[.?!]?$)")
# Who asks, or what for.
_ASIDE = re.compile(r"(?:for (?:an?|my|our|the)|i|i'm|im|we|we're|my|our|writing|research\w+|working)\b[^:]*: ")
_BEGINS_A_SENTENCE = re.compile(r"[.?!] ([A-Z][a-z']*) [a-z]")
_GENERIC = word_set("area region county district council village town city parish postcode")
# "Tyndrum v Durham": one of the two may be known.
COMPARING = phrases("compare", "comparison", "vs?", "versus", "difference between")
_UNIT = re.compile(r"[kmg]w")
_SMALL_WORDS = word_set("of and upon on in the by le under next with super de la y yr")
# What an installation stands on or belongs to: no place by itself ("panels on barns in Devon").
_SURFACES = word_set(
    """
    airport airports barns battery building buildings burn burns bus business church churches cottage cottages cowshed
    cowsheds dairy estate estates factories factory farmhouse farmland field fields filling fire flats garage garages
    glasshouse glasshouses greenhouse greenhouses ground hill hills hilltop hilltops home homes hospital hospitals
    hotel hotels house houses land landfill lochs mill mills moor moorland moors nuclear office offices outbuildings
    petrol police pub pubs quarry railway reservoir reservoirs river rivers rooftop rooftops school schools shed sheds
    shop shops stable stables stream streams supermarket supermarkets train warehouse warehouses weir weirs workshop
    workshops
    """
)
# What may stand beside a technology without being a place: "wind turbines cheap".
_NO_NAMES = word_set(
    """
    agent among angle aunt bird boat boats boss boxes breed cell cells cheap chime chimes city claim clean clear
    cloud club clue cons cost costs dairy dirty door edit email essay facts film fired fixed flag fleet fund funds
    gets glass gonna good grand grant grants grass graze grid guess guide hang heads heater hiya house hubs ideas
    image innit item jobs joke kids la lamp lamps las laugh lease level light lights loan logo loud lovely maker
    mark merge meter model money music myth myths nice nobody noisy nothing offer opps outer oven owns page phone
    photo pics poem poor pros pump quiz rated repair reset rigs ring risk risks ruled rules rush safe share sheep
    sign socks song sons speak speed spin stand study suit sunny tact talk theme tile tiles tips topic toys true
    trust turn ugly video visit wanted waste watch wheel wise words works wrong
    """
)
# Tiree is no slip of "three": numbers do not stand behind a technology.
_MISTYPED = WORDS - word_set("one two three four five six seven eight nine ten")
# A question of so many words is a list of what is wanted, not a sentence with words that nobody here knows.
_FEW_WORDS = 6
_NAME_AFTER = re.compile(
    r"(?: (?:sites?|schemes?|farms?|parks?|installations?|projects?|plants?|turbines?|panels?|arrays?|systems?))?"
    r"[ ,:-]+([a-z]{4,}(?: [a-z]{4,})?)(?![^ ,.?!/])"
)
_NAME_BEFORE = re.compile(r"(?:^|, )((?:[a-z]{4,} ){0,1}[a-z]{4,})(?: any| all| the)?[ ,:/-]*$")
# "Hungerford RG17, what is there"
_BEFORE_CODE = re.compile(rf"([a-z]{{4,}}(?: [a-z]{{4,}})?),? {BLANK}")
# "Hydro since 2013, kinlochleven", "hydro, aberfeldy or killin"
_LAST_NAME = re.compile(r", ([a-z]{4,}(?: (?:and|or|&) [a-z]{4,})?)(?: (?:area|region|district))?[.?!]*$")
_OTHER_NAME = re.compile(r"(?: ?/ ?| or | and | & |, ?)([a-z]{4,})(?![^ ,.?!])")
_CONTRACTED = re.compile(r"(?:'(?:ve|d|ll|re|m)|n't)$")
_INSIDE_NAMES = ("of", "upon")  # "Bridge of Conon"
# Words of the language with which names of places begin: "Great Snoring", "Much Wenlock".
_FIRST_WORDS = word_set("great little upper lower new old high long much north south east west middle st saint")


def place(asked: Reading) -> Filters:
    """``location`` with ``postcode_patterns``, ``locations``, or the patterns alone."""
    known = _innermost(asked)
    unknown = unknown_places(asked)
    names = list(dict.fromkeys([*(found.name for found in known), *(_joined(asked, unknown) if known else unknown)]))
    if len(names) > 1:
        return {"locations": names}
    patterns = asked.patterns or (list(known[0].patterns) if known else [])
    return ({"location": names[0]} if names else {}) | ({"postcode_patterns": patterns} if patterns else {})


def _joined(asked: Reading, names: Sequence[str]) -> list[str]:
    """Those of the names that a list or comparison joins to a place that is known.

    Else the question asks about the known one, and the name is of something else: "I'm in the car; wind in Fife?".
    """
    text = asked.text
    kept: list[str] = []
    while True:
        for name in names:
            beside = re.search(
                rf"{BLANK}{_LINK}{re.escape(name.lower())}\b|\b{re.escape(name.lower())}{_LINK}{BLANK}", text
            )
            if name not in kept and beside:
                text = text.replace(name.lower(), BLANK * len(name))
                kept.append(name)
                break
        else:
            return [name for name in names if name in kept]


@lru_cache(maxsize=16)  # the place, the scope and the note all ask
def unknown_places(asked: Reading) -> tuple[str, ...]:
    """Names that the gazetteer lacks, in Title Case: words after a preposition, or capitalised, that are no words of
    the domain."""
    if asked.outside_great_britain:
        return ()
    found: list[str] = []
    aside = _end_of_aside(asked)
    position = 0
    for said in _SAID.finditer(asked.text):
        found += list(_names(said["way"] or said["isle"] or said["column"]))[:1]
    while match := _PREPOSITION.search(asked.text, position):
        names = list(_names(match["words"]))
        found += [] if match.start() < aside or excluded(asked.text, match.start()) else names
        # Where no name follows, the next preposition may lead to one: "on barns in Crediton".
        position = match.end() if names else match.start("words")
    # The "vale" of "the Vale of York" is part of a name that is known.
    found = [name for name in found if f"{name} of {BLANK}" not in asked.text]
    found = [_as_capitalised(asked, name) for name in [*found, *_listed(asked)]]
    if not found and (not asked.places or (len(asked.places) == 1 and asked.has(COMPARING))):
        found = _capitalised(asked) or _beside_technology(asked) or _before_code(asked)
    return tuple(dict.fromkeys(map(title_case, found)))


def _end_of_aside(asked: Reading) -> int:
    """Where the question itself begins: "for a piece in the Cambrian News: hydro near Machynlleth"."""
    aside = _ASIDE.match(asked.text)
    if not aside or not asked.technologies or asked.technologies[0].start < aside.end():
        return 0
    rest = asked.text[aside.end() :]
    names_a_place = BLANK in rest or any(next(_names(found["words"]), "") for found in _PREPOSITION.finditer(rest))
    return aside.end() if names_a_place else 0


def _listed(asked: Reading) -> list[str]:
    """Names that a list begins with a known place: "wind middlesbrough, redcar, hartlepool"."""
    listed = _LISTED.search(asked.text)
    names = _JOINED.split(listed["names"])[1:] if listed else []
    in_capitals = all(name.capitalize() in asked.question for name in names)
    in_few_words = asked.question.islower() and len(asked.text.split()) <= _FEW_WORDS
    return names if (in_capitals or in_few_words) and all(_is_foreign(name, slips=1) for name in names) else []


def _beside_technology(asked: Reading) -> list[str]:
    """A name typed without preposition or capitals beside the technology: "hydro pitlochry 2013"."""
    if asked.places or not asked.technologies:
        return []
    in_numbers = asked.number_words
    words = [word for word in re.findall(r"[a-z]{2,}", asked.text) if word not in in_numbers]
    last = _LAST_NAME.search(asked.text)
    if last and len(words) <= 2 * _FEW_WORDS and all(map(_is_foreign, re.findall(r"[a-z]{4,}", last[1]))):
        return _JOINED.split(last[1])
    if len(words) > _FEW_WORDS:
        return []
    after = _NAME_AFTER.match(asked.text, asked.technologies[-1].end)
    before = _NAME_BEFORE.search(asked.text[: asked.technologies[0].start])
    for beside in (after, before):
        name = list(itertools.takewhile(_is_foreign, beside[1].split())) if beside else []
        if beside and name and (beside is after or len(name) == len(beside[1].split())):
            other = _OTHER_NAME.match(asked.text, beside.end())
            others = [other[1]] if other and _is_foreign(other[1]) else []
            return [" ".join(name), *others]
    return []


def _before_code(asked: Reading) -> list[str]:
    """A name typed without preposition or capitals before its postcode: "hungerford rg17"."""
    before = _BEFORE_CODE.match(asked.text) if asked.codes else None
    return [before[1]] if before and all(map(_is_foreign, before[1].split())) else []


def _is_foreign(word: str, slips: int | None = None) -> bool:
    """Whether a word is none of the language, nor one of its words with a slip or two (by its length)."""
    if _is_plain(word) or word in _NO_NAMES:
        return False
    slips = slips or (1 if len(word) < 6 else 2)
    return not any(OSA.distance(word, one, score_cutoff=slips) <= slips for one in _MISTYPED)


def _as_capitalised(asked: Reading, name: str) -> str:
    """The name as far as its capitals go, where it has any: of "a gentleman in Battle rang" only Battle."""
    typed = set(re.findall(r"[A-Za-z][A-Za-z'-]*", asked.question))
    first, *rest = name.split()
    if first.capitalize() not in typed:
        return name
    kept = [first]
    for index, word in enumerate(rest):
        if word not in typed or (word in _SMALL_WORDS and any(after not in typed for after in rest[index + 1 :])):
            kept.append(word)
        else:
            break
    return " ".join(kept)


def title_case(name: str) -> str:
    """A name as places are written: "weston under penyard" is Weston under Penyard."""
    parts = re.split(r"([ -])", name)
    return "".join(
        part if index and part in _SMALL_WORDS else part[:1].upper() + part[1:] for index, part in enumerate(parts)
    )


def _innermost(asked: Reading) -> list[Named]:
    """The known places; of "Newbury, Berkshire", "Leeds in Yorkshire" or "Scottish Highlands" only the inner one."""
    kept: list[Named] = []
    for index, found in enumerate(asked.places):
        before = asked.places[index - 1] if index else None
        between = asked.between(before, found) if before else "and"
        if before and between == "" and set(found.patterns) < set(before.patterns) and kept[-1:] == [before]:
            kept[-1] = found
        elif not (before and between in (",", "in", "", ", in", "- the") and _lies_in(before, found)):
            kept.append(found)
    return kept


# None of a group lies in another of it, whatever their postcodes.
_SIDE_BY_SIDE = (("county", "council_area"), ("historic",))


def _lies_in(inner: Named, outer: Named) -> bool:
    """Whether one place is part of another, as far as postcodes tell: North and South Lanarkshire share theirs."""
    patterns, enclosing = set(inner.patterns), set(outer.patterns)
    may_lie_in = not any(inner.kind in kinds and outer.kind in kinds for kinds in _SIDE_BY_SIDE)
    return (patterns < enclosing and may_lie_in) or (patterns == enclosing and inner.kind == "town" != outer.kind)


def _names(words: str) -> Iterator[str]:
    """The names at the beginning of some words: "little snoring and great snoring with …" has two."""
    for part in _JOINED.split(words):
        split = part.split()
        name: list[str] = []
        for word, following in zip(split, [*split[1:], ""], strict=True):
            surface = not name and word in _SURFACES and (not following or following in WORDS | _SURFACES)
            if surface and (following != "of" or word.endswith("s")):  # but "Mill of Elrick"
                return
            # "the old mill near Tiverton" is none.
            begins = not name and word in _FIRST_WORDS and following and following not in WORDS | _SURFACES
            inside = name and word in _SMALL_WORDS and following and following not in WORDS
            if _CONTRACTED.search(word):
                break
            if (_is_plain(word.rstrip(".").removesuffix("'s")) or word in _SMALL_WORDS) and not begins and not inside:
                break
            name.append(word.strip("."))
            if word.endswith(".") and len(word) > 3:  # the end of the sentence, not "St. Ives"
                break
        stopped = len(name) < len(split)
        while name and name[-1] in _GENERIC:
            name.pop()
        if not any(len(word) > 1 for word in name):
            return
        yield " ".join(name)
        if stopped:
            return


def _is_plain(word: str) -> bool:
    """Whether a word, or each part of a hyphenated one, is of the language and no name: "ppa-ready"."""
    return (
        word in WORDS
        or ("-" in word and all(part in WORDS for part in word.split("-")))
        or any(found.end - found.start == len(word) for found in find_technologies(word))
    )


def _capitalised(asked: Reading) -> list[str]:
    """Names by the capitals of their words in a question that is otherwise in small letters.

    Of a question without a place, those of its background count: "I'm in Clun. Hydro?". The first word of a
    question says nothing by its capital, unless a technology follows: "Wymondham solar".
    """
    text = asked.place_text
    typed = re.findall(r"[A-Za-z][A-Za-z'-]*", asked.question)
    titled = sum(word[0].isupper() and not word.isupper() for word in typed)
    in_title_case = not any(word.islower() and find_technologies(word) for word in typed)
    if 2 * titled > len(typed) and typed[0][0].isupper() and in_title_case:
        return []
    begins = 0
    while begins < len(typed) and typed[begins][0].isupper() and typed[begins].lower() not in WORDS - _FIRST_WORDS:
        begins += 1
    # "Great Snoring solar", "Nether Wallop: any PV?", "Kirriemuir: total wind capacity"
    first_counts = (
        begins > 1
        or (len(typed) > 1 and bool(find_technologies(typed[1].lower())))
        or asked.question.lstrip().startswith(f"{typed[0]}:" if typed else ":")
    )
    large = {word.lower() for word in typed[not first_counts :] if word[0].isupper() and not word.isupper()}
    large -= {begun.lower() for begun in _BEGINS_A_SENTENCE.findall(asked.question)}
    names: list[str] = []
    previous = 0
    for match in re.finditer(r"(?<![a-z0-9])[a-z](?:[a-z-]|'(?!s\b))*(?![a-z0-9])", text):
        between = text[previous : match.start()].strip()
        is_name = match[0] in _FIRST_WORDS or not _is_plain(match[0])
        is_name = is_name and not (_UNIT.match(match[0]) or _CONTRACTED.search(match[0]))
        if match[0] in large and is_name:
            if names and (not between or between in _INSIDE_NAMES):
                names[-1] += f" {between} {match[0]}".replace("  ", " ")
            elif not names or _JOINED.fullmatch(f" {between} "):
                names.append(match[0])
            else:
                break
            previous = match.end()
        elif names and match[0] not in ("and", "or", "vs", "versus", *_INSIDE_NAMES):
            break
    return names
