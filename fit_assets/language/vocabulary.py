"""The words of the domain: technologies, what questions are made of, and the mending of misspelt ones.

Rules and grounding share them, so that both hear the same thing in a question.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Container, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import get_args

from rapidfuzz.distance import OSA

from fit_assets import settings
from fit_assets.filters import Technology
from fit_assets.places import POSTCODE_AREAS


@dataclass(frozen=True)
class TechnologyMatch:
    """A technology named in a text, with the span of the words that name it."""

    technology: Technology
    start: int
    end: int


_TECHNOLOGIES: tuple[Technology, ...] = get_args(Technology)
# In the order in which they are tried: a water turbine is Hydro before a turbine is Wind.
_TECHNOLOGY_PATTERNS: tuple[tuple[Technology, str], ...] = (
    ("Hydro", r"(?:micro[ -])?hydro(?:[ -]?(?:electric(?:ity|al)?|power(?:ed)?))?(?: turbines?)?|hydros"),
    ("Hydro", r"run[ -]of[ -](?:the[ -])?river"),
    ("Hydro", r"water[ -]?(?:turbines?|power(?:ed)?|wheels?(?: turbines?)?)"),
    ("Anaerobic digestion", r"anaerobic(?: ?digest(?:ion|ers?))?|digest(?:ion|ers?)|bio[ -]?gas|a\.? ?d"),
    (
        "Micro CHP",
        r"(?:m(?:icro)?[ -]?)?(?:chps?|c\.? ?h\.? ?p\b\.?)|combined heat(?: (?:and|&) power)?|co[- ]?gen(?:eration)?",
    ),
    (
        "Photovoltaic",
        r"solar[ -]?(?:farms?|parks?)|solar(?:[ -](?:pv|photovoltaics?|panels?|power(?:ed)?))?|pvs?|"
        r"(?:ph|f)oto[ -]?voltaics?|p\. ?v\b\.?|p v|panels?",
    ),
    ("Wind", r"wind(?:[ -]?(?:turbines?|farms?|power(?:ed)?|mills?))?|(?<!very )(?<!so )windy|turbines?"),
)


class VocabularyError(ValueError):
    """``data/technology_words.csv`` cannot be used; the message names the row and the mend."""


@lru_cache(maxsize=1)
def _technology() -> re.Pattern[str]:
    """One group for each technology and pattern, the words that people added before those known here."""
    patterns = (*_added_words(settings.data_dir() / "technology_words.csv"), *_TECHNOLOGY_PATTERNS)
    groups = (f"(?P<t{_TECHNOLOGIES.index(name)}_{index}>{words})" for index, (name, words) in enumerate(patterns))
    return re.compile(rf"(?<![a-z0-9])(?:{'|'.join(groups)})(?![a-z0-9])")


def _added_words(file: Path) -> Iterator[tuple[Technology, str]]:
    try:
        rows = list(csv.DictReader(file.read_text("utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise VocabularyError(f"{file}: cannot be read ({error}); put the file back, saved as 'CSV UTF-8'") from error
    for number, row in enumerate(rows, 2):
        name, words = ((row.get(column) or "").strip() for column in ("technology", "words"))
        if name not in _TECHNOLOGIES or not words:
            raise VocabularyError(
                f"{file}, row {number}: {row} is no technology and its words; write one of "
                f"{', '.join(_TECHNOLOGIES)}, a comma, and what people call it"
            )
        yield name, r"[ -]".join(map(re.escape, words.lower().replace("-", " ").split()))


def word_set(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


def word_pairs(text: str) -> dict[str, str]:
    """ "wich:which atleast:at_least" as a mapping; an underscore stands for a blank."""
    return dict(pair.replace("_", " ").split(":") for pair in text.split())


# Words that stand in questions without being the name of a place.
WORDS: frozenset[str] = word_set(
    """
    a about above accreditation accreditations accredited acquire acquired acquiring acquisition acquisitions across
    active actually ad addition adjusted adjustment advance after afternoon again age ago ahead alexa all almost
    alongside already also altogether am amount an anaerobic and annual annually any anyone anything anything's anyway
    anywhere appreciated approx approximately apr april are area areas arms around array arrays article as asap asc
    ascending ask asset assets at attractive aug august autumn available average averaged avg aye back band barn based
    bbc be beats been before beginning behalf being belong belonging belongs below beneath best better between beyond
    big bigger biggest biogas bit board boilers bonnie books both break breakdown brief briefing britain broke built
    bulletin bundle but buy buyer buyers buying buyout buyouts by call calling came can candidate candidates capacities
    capacity case category chance change chap check checking cheers chp class client clients clock close closest
    co-generation code codes cogeneration colleague combined come comes coming commercial commission commissioned
    commissioning community company compare compared comparing comparison concerning context continues contract
    contracts contrast cost could council councils count counties counting country counts county couple curious current
    currently data database dataset date dates day days deal deals dear dec decade decades december deliver depot desc
    descending desk detail details diff differ difference different digester digesters digestion display distribution
    district districts do does domestic done down dozen drainage drop dropping drops due during each earlier earliest
    early earn earned earner earners earning earnings earns eastern edge eight eighteen eighty either electric
    electricity eleven eligible else em end ended ending ending-soon ends energised energy eng england's enough enquire
    enquiring enquiry entries entry equal equivalent er erected erm evening evenings eventually every everything exact
    exactly exceed exceeding except excess excluding exist existing exists expensive expire expired expires expiring
    expiry export extract facilities facility fact fall falling family far farm farmer farmers farms farms' feb
    february feed feed-in fellow few fewer fewest fifteen fifty figure figures file filter find finish finished
    finishes finishing first fit fits five folks for forty found four fourteen friday from full further gather gazette
    gb general generate generated generates generating generation generator generators get gimme give given going golf
    gone good got grab grateful great greater greatest group grouped groups guardian gw had half handful happen happens
    has have having head heat hello help her herald here hey hi high higher highest his hmm hope hoping how how's
    hundred hydro hydroelectric i i'd i'm id ideal ideally identify if immediate immediately in include included
    includes including income indeed independent individual industrial inform information inside install installation
    installations installed installs instead interested into inventory is it it's its itself jan january joined journal
    jul july jun june just kay keep ken kick kicks kilowatt kilowatts kind kindly kitchen know kw kwp lad lads las large
    large-scale larger largest lass last lasts late later latest latter least leaving left less let let's letter life
    like likely limit line lines list list's lists little live local locate located location locations long longer
    longest longlist look looking lookup lose loses losing lot lots low lower lowest lunch machine machines madam made
    magazine main make makes making many map march matching mate max maximum may me mean means medium medium-scale
    medium-sized meeting meg megawatt megawatts megs micro mid mid-sized middle might milking min mind minimum ministry
    mirror mistake mix monday month monthly months more morning mornings most mostly move moving much muck must mw my
    name named names nation nationally nations nationwide near nearby nearly need needed needing needs neighbouring
    neither new newer newest news newsletter newspaper next nine nineteen ninety no non non-domestic noon not nov
    november now nowt num number numbers observer oct october of off ofgem oh ok okay old older oldest on once one ones
    online only onshore onward onwards open operating operation operational operators opportunities opportunity optimal
    or order ordered other our out outcode outcodes outside over overall owned owner owt p pair panel panels page paper
    papers parks particular past pay paying payment payments payout pays peace pence people per per-annum period person
    photovoltaic photovoltaics piece place places plant plants please pls plus plz point pool portfolio possible
    possibly post postal postcode postcodes potential power ppa ppas pre present presentation press price prime
    printers prior project projects prospect prospects provide provided pull pumps purchase purpose purposes put pv
    query question question's quick quickly radio range rank ranked ranking rate rated rates rather rating ratings
    ratio re-power re-powering ready real really recent recently reception reckon reckons record records reference
    regard regarding regards region regional regionally regions register registered registration regret regrettably
    relative remain remaining remains remove renewable renewables report repower repowered repowering respect result
    results retrieve return revenue revenues right ripe roll rolling rolls roof roofs rooftop room roughly round rows
    run run-of-river rundown running runs runway runways said sales same saturday say says scale schedule scheme
    schemes scot scotsman screen search sector see sell selling send sep sept september set setup seven seventeen
    seventy several short shortest shortlist should show showing shows side since sincerely single sir sirs site sites
    sites' situated six sixteen sixty size sized sizes skyline small small-scale smaller smallest so solar sold some
    someone something somewhere soon sooner soonest soonish sorry sort sorted source sources split spring stack stacks
    standing start started starting starts state station stations still stop stops story stuff subsidies subsidy such
    suitable sum summarise summary summer sunday support switched system systems ta table tail tails take takeover
    target targets tariff tariff's tariffs team teams tech technologies technology telegraph tell telling telly ten
    terms than thank thanks that that's thats the their them then there thereabouts these they thing things think
    thinking thirteen thirty this those thoughts thousand three through throughout thursday til till time timeframe
    times tiniest to today together tomorrow tonight top tot total totals trade trend try trying tuesday turbine
    turbines tv twelve twenty two type types typical typically u uh uk um under underneath unit units until up upcoming
    update upper upto upward upwards urgent urgently us use used using value values various versus very via vicinity
    view vintage vintages visible vs wal wanna want wanted wanting wants was water watt watts way we wednesday week
    weekend weeks well went were what what's whatever whats when where where's whereabouts wherever whether which while
    who who's whole whose wi will wind windmill windmills window windy winter with within without wonder wondered
    wondering work worth would write writing ye year yearly years yes yesterday yet yield yields you your zero
    """
)

# Words that carry a filter: what misspelt words are mended to.
_KEYWORDS: tuple[str, ...] = tuple(
    sorted(
        word_set(
            """
            about above approximately acquire acquisition acquisitions adjusted aggregate anaerobic around average
            before below between biggest biogas breakdown candidates capacity combined commissioned compare
            comparison council councils count countries country county details digester digesters digestion during
            earning earnings exactly expired expires expiring expiry farms generators highest hydro
            hydroelectric immediate income installation installations installed kilowatt kilowatts large
            largest latest least lowest maximum medium megawatt megawatts minimum months newest number
            oldest opportunities optimal panels photovoltaic photovoltaics postcode prospects rates region
            regional regionally regions remaining repowering revenue roughly since sites small smallest
            solar subsidy tariff tariffs technology total turbine turbines under urgent within years wind
            approx heat power water outcode hydropower hydros cogen rooftop upwards cogeneration entries
            schemes projects stations systems smaller larger bigger anything everything somewhere versus
            windfarm windfarms onwards storage authority authorities nuclear commissioning delete change
            """
        )
    )
)
# Words that one slip turns into a keyword, but that people mean as they stand.
_NO_SLIPS: frozenset[str] = word_set(
    """
    abode abort battery charge charged charges coed court diary empire expert fired firms form former forms juices
    largess less mention mounted never polar shall singe site's smell sonar stall status still title toll tribunal
    undo untidy want went wine wing
    """
)
# What people write so often that it need not be near.
_COMMON_SLIPS = word_pairs(
    """
    abot:about abov:above abt:about abut:about abv:above abve:above adn:and afer:after anthing:anything ater:after
    atleast:at_least avrg:average battry:battery belo:below bigest:biggest bout:about btwn:between bween:between
    capcity:capacity capcty:capacity chpp:chp cmpr:compare cn:can combind:combined comin:coming compair:compare
    countof:count_of ernrs:earners everythin:everything evry:every exprng:expiring fitrate:fit_rate frms:farms
    goin:going hav:have hidro:hydro hou:how howmany:how_many hows:how hw:how hwo:how instal:install instals:installs
    irland:ireland lage:large larg:large les:less lessthan:less_than lest:least lft:left lgest:largest listings:list
    locl:local lrge:large lss:less mani:many meny:many microchp:micro_chp mny:many moer:more moar:more mor:more
    morethan:more_than mre:more nad:and nt:not overa:over_a ovr:over plnts:plants postcodearea:postcode_area
    repowr:repowering rte:rate runing:running slr:solar smal:small sml:small smlest:smallest smll:small
    solarpanels:solar_panels soler:solar sollar:solar tarrif:tariff tarrifs:tariffs teh:the thn:than thru:through
    topearning:top_earning totl:total tp:top uder:under unda:under undera:under_a unde:under undr:under watr:water
    wehn:when whch:which wich:which windpowr:wind_power wit:with wiv:with wnd:wind wot:what yeer:year yeers:years
    yrs:years
    """
)
# Scots and the North.
_DIALECT = word_pairs(
    """
    aboot:around auld:old auldest:oldest aw:all efter:after ferm:farm ferms:farms gie:give hoo:how hunner:hundred
    mair:more monny:many mony:many muckle:big nae:no ony:any oot:out ow:how ower:over roon:round roond:round toon:town
    toons:towns twa:two undred:hundred watter:water wee:small whaur:where whit:what ydro:hydro
    """
)
_ALWAYS_MEANT = _COMMON_SLIPS | _DIALECT
# What people write without its vowels: "frst", "arnd".
_VOWELS = re.compile(r"(?<=[a-z])[aeiou]")
# "Income frm turbines", but "wind frm in Fife".
_NO_FARM = re.compile(r"(?<!wind )(?<!solar )(?<!pv )\bfrm\b|\bfrm\b(?= \d)")
# In a fixed order: "frm" is "from" as well as "farm", which comes last and is meant.
_SHORTENED = {
    _VOWELS.sub("", word): word
    for word in sorted(
        word_set(
            """
            above after around below before between biggest farm farms first from largest least left more most north
            over plants sites smallest south than turbine turbines under with years
            """
        ),
        reverse=True,
    )
}
_WORD = re.compile(r"[a-z]{2,}")
# Words that lack the blank behind or before them; no name of a place begins with the one and goes on like that.
_STUCK_BEFORE = re.compile(r"(in|near|the|all|any)([a-z]{4,})")
_STUCK_BEHIND = re.compile(
    r"([a-z]{4,}?)(in|near|over|under|sites|farms|schemes|installations|panels|plants|turbines)((?<=in|ar)[a-z]{4,})?"
)
_BEFORE_DIGITS = re.compile(r"(?<![a-z0-9])[a-z]{2,}(?=\d)")
_THAN = re.compile(r"(?:(?<=\b(?:more|less) )|(?<=\b(?:larger|bigger|higher) )|(?<=\bsmaller ))(?:then\b|as(?= \d))")

# Dictated: "of for hundred kilowatts".
_MISHEARD = re.compile(
    r"\b(of|over|above|under|below|than|least|most|about) (for|to|too)"
    r"(?= (?:hundred|thousand|mega\w+|kilow\w+|years)\b)"
)
# Dictated or shortened.
_PHRASES_MEANT = (
    (re.compile(r"\bkiller ?watts?\b"), "kilowatts"),
    (re.compile(r"\bwin (?=(?:farm|turbine)s?\b)"), "wind "),
    (re.compile(r"\bfore (?=years\b)"), "four "),
    (re.compile(r"\b(?:whined|wined)\b(?! and dined)"), "wind"),
    (re.compile(r"^wear (?=are|is)"), "where "),
    (re.compile(r"\bre powering\b"), "repowering"),
    (re.compile(r"\bnth (?=[a-z§])"), "north "),
    (re.compile(r"\bcoming of (?=fit|subsidy|the tariff)"), "coming off "),
    (re.compile(r"\bisle of white\b"), "isle of wight"),
    (re.compile(r"\bdum[b ]? ?freeze?\b"), "dumfries"),
    (re.compile(r"(?<=\bin )eng\b"), "england"),
    (re.compile(r"\bscottish boarders\b"), "scottish borders"),
    (re.compile(r"\bork ?(?:knee|ney)\b"), "orkney"),
    (re.compile(r"\bwindor (?=solar|hydro|pv\b)"), "wind or "),
    (re.compile(r"\bnew clear\b"), "nuclear"),
    (re.compile(r"\bat (?:leat|lest|leats|laest)\b"), "at least"),
    (re.compile(r"(?<=\d) (?:nd|an) (?=\d)"), " and "),
    (re.compile(r"(?<=\d)to (?=\d)"), " to "),
    (re.compile(r"\bwon (?=point|hundred|meg)"), "one "),
    (re.compile(r"\bcom(?:ng|in|ming) off\b"), "coming off"),
    (
        re.compile(
            r"\b(?:no matter|never mind) (?:the |what |which )+(?:technology|technologies|type|size|age|place)\b"
        ),
        "",
    ),
    (re.compile(r"\baverage age \d+\b"), ""),
    (re.compile(r"(?<!\bwe )(?<!\byou )\bn(?:o|r|um)\.? of (?!course\b)"), "number of "),
    (
        re.compile(
            r"\b(?:money|revenues?|incomes?|tariffs?|rates?) (?:doesn't|don't) (?:interest|concern) (?:me|us)\b"
        ),
        "",
    ),
    (
        re.compile(
            r"\b(wind|solar|hydro|ad|pv|chp|tot|total|avg|average|installed) cap\b(?! (?:it|them|at|of \d|on)\b)"
        ),
        r"\1 capacity",
    ),
    (re.compile(r"\breg adj(?:usted)?\b"), "regionally adjusted"),
    (re.compile(r" full stop$"), ""),
    (
        re.compile(
            r"(?:i|we|they|he|she) (?:don't|doesn't|do not|didn't) (?:want|need|care (?:about|for)) "
            r"(?:to (?:know|see) )?"
            r"(?:the |any |their )?(?:revenues?|rates?|incomes?|earnings|tariffs?)\b(?! (?:over|under|of)\b)"
        ),
        "",
    ),
    # Of a query language: df.groupby("county").
    (re.compile(r"\bgroup_?by\(['\"]?([a-z_]+)['\"]?\)[.]?"), r"by \1 "),
)
# Places that sound like words: only where a place is said.
_PLACES_HEARD = word_pairs(
    "leads:leeds whales:wales lester:leicester wooster:worcester gloster:gloucester darby:derby "
    "arguile:argyll reeding:reading burry:bury fyfe:fife edinborough:edinburgh summerset:somerset lancasher:lancashire "
    "ketn:kent knet:kent fief:fife"
)
_PLACE_HEARD = re.compile(rf"\b(in|near|around|of|from|and|north|south|mid|west) ({'|'.join(_PLACES_HEARD)})\b")
_KNOW = re.compile(r"(?:(?<=\b(?:we|do) )|(?<=\byou ))no(?= of\b)")
_FROM = re.compile(r"\bform(?= (?:19|20)\d\d\b)")
_HEARD = {"for": "four", "to": "two", "too": "two"}

_EXCLUSION = re.compile(
    r"(?:\b(?:not|excluding|exclude|except|excl|without|ignoring|ignore|other than|apart from|"
    r"but no|(?:not|[a-z]+n't) (?:looking (?:at|for)|interested in|after|want|need)|"
    r"(?:everything|anything|anywhere|all) but|(?:that|which) (?:isn'?t|aren'?t)|"
    r"(?<!there's )(?<!there is )(?<!there are )no|(?<!just )outside|"
    r"minus|leav(?:e|es|ing) out|not including(?: any)?|non-)"
    r"(?: (?:in|of|from|for|on|at))?(?: the| any)?) ?$|(?<=[a-z§] )-$"
)


def find_technologies(text: str) -> list[TechnologyMatch]:
    """Every mention of a technology in a normalised text, in order."""
    return [
        TechnologyMatch(_TECHNOLOGIES[int((match.lastgroup or "t0")[1:].partition("_")[0])], *match.span())
        for match in _technology().finditer(text)
    ]


def excluded(text: str, start: int) -> str:
    """The words that rule out what begins at ``start`` ("not" solar, "outside" Wales); empty where none do."""
    match = _EXCLUSION.search(text[:start])
    return match[0].strip() if match else ""


def mend(text: str, names: Collection[str]) -> str:
    """A normalised text with misspelt domain words put right; words in ``names`` (of places) are left alone."""
    text = _NO_FARM.sub("from", text)
    mended = _BEFORE_DIGITS.sub(lambda match: _unstuck(match[0], names), text)
    mended = _WORD.sub(lambda match: _parted(_mended(match[0], names), names), mended)
    mended = _MISHEARD.sub(lambda heard: f"{heard[1]} {_HEARD[heard[2]]}", mended)
    for heard, meant in _PHRASES_MEANT:
        mended = heard.sub(meant, mended)
    mended = _PLACE_HEARD.sub(lambda heard: f"{heard[1]} {_PLACES_HEARD[heard[2]]}", mended)
    mended = _FROM.sub("from", _KNOW.sub("know", mended))
    return _THAN.sub("than", mended)


def _mended(word: str, names: Container[str]) -> str:
    if word in WORDS or word in _NO_SLIPS or word in names or find_technologies(word):
        return word
    if meant := next(filter(_is_meant, _retyped(word)), None):
        return meant
    if len(word) > 2 and word in _SHORTENED:
        return _SHORTENED[word]
    if len(word) < 5 or word in _ALWAYS_MEANT:
        return _ALWAYS_MEANT.get(word) or (_mended_short(word) if len(word) == 4 else word)
    return _closest(word, _KEYWORDS, 1 if len(word) < 8 else 2)


def _parted(word: str, names: Collection[str]) -> str:
    """A word that is none, with the blanks that it lacks: "inscotland", "themost", "hydrosites", "windfarmsinfife"."""
    if len(word) < 6 or word in WORDS or word in _KEYWORDS or word in names or " " in word:
        return word
    if (stuck := _STUCK_BEFORE.fullmatch(word)) and _is_whole(stuck[2], names):
        return f"{stuck[1]} {stuck[2]}"
    if (stuck := _STUCK_BEHIND.fullmatch(word)) and (not stuck[3] or stuck[3] in names or _is_whole(stuck[3], names)):
        first = _parted(stuck[1], names)
        if first != stuck[1] or first in _KEYWORDS or _technology().fullmatch(first):
            return f"{first} {stuck[2]} {stuck[3] or ''}".rstrip()
    return word


def _is_whole(word: str, names: Collection[str]) -> bool:
    """Whether it is a word by itself, or the name of a place with at most one slip."""
    if word in WORDS or _technology().fullmatch(word):
        return True
    near = (name for name in names if len(name) > 4 and name[0] == word[0] and abs(len(name) - len(word)) < 2)
    return any(OSA.distance(name, word, score_cutoff=1) <= len(word) // 6 for name in near)


def _unstuck(word: str, names: Container[str]) -> str:
    """A word that a number is stuck to ("exactly500kw") and a blank; but the letters of a postcode as they are."""
    meant = _mended(word, names)
    known = meant in WORDS or meant in _KEYWORDS or find_technologies(meant)
    return f"{word} " if known and word.upper() not in POSTCODE_AREAS else word


def _retyped(word: str) -> Iterator[str]:
    """The word with two neighbouring letters swapped back, or a letter less that was typed twice."""
    for index in range(len(word) - 1 if len(word) >= 4 else 0):
        left, right = word[index], word[index + 1]
        if left == right:
            yield word[:index] + word[index + 1 :]
        else:
            yield word[:index] + right + left + word[index + 2 :]


def _is_meant(word: str) -> bool:
    return len(word) > 3 and (word in WORDS or word in _KEYWORDS or _technology().fullmatch(word) is not None)


def _mended_short(word: str) -> str:
    """Four letters: too short for more than one left out of a technology."""
    return _closest(word, ("solar", "hydro"), 1)


def _closest(word: str, keywords: Collection[str], slips: int) -> str:
    if word in keywords:
        return word
    best, fewest = word, slips + 1
    for keyword in sorted(keywords, key=len, reverse=True):  # letters are left out more often than added
        if keyword[0] == word[0] and len(keyword) > 4 and abs(len(keyword) - len(word)) <= 1:
            distance = OSA.distance(word, keyword, score_cutoff=fewest - 1)
            if distance < fewest:
                best, fewest = keyword, distance
    return best
