"""What a question tells beside what it asks: "I'm in Leeds till Friday", "for my essay", "hence the odd hour".

Its numbers, names and topics are no filters. Only what names nothing of the search is background, and only where
something else does. What comes before the question may name a place or a technology, where the question names its own:
"my dad's farm near Tiverton got its first turbine in 2012, so how many wind sites are there in Kent?"
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from fit_assets.language.rules import phrases
from fit_assets.language.text import BLANK, Mention, Span
from fit_assets.language.topics import OTHER_SCHEMES, OTHER_TECHNOLOGIES, OTHER_TOPICS

DOMAIN = phrases(
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
    "(?<!to )fits?",
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
    "rows",
    "dataset",
    r"acqui\w+",
    "installed",
    r"expir\w+",
    r"cod(?= (?:[a-z]+ \d|\d|[<>=]))",
    r"ends? in \d{4}",
    "technolog(?:y|ies)",
    "techs?",
    "breakdown",
    "stacks? up",
    "(?:show|list|give me|get) (?:me )?(?:everything|the lot|the whole lot|them all)",
    "(?:full|complete|whole|raw) (?:set|table|list)",
    "everything (?:that )?(?:you|u|you've|there)",
    "of them (?:is|are|will|would) (?:plenty|enough|fine|do)",
)
# What says something of installations without naming them.
_OF_THEM = phrases(
    *("revenues?", "incomes?", r"(?<!she )(?<!he )(?<!i )earn\w*", "windows?", "fitted", "put (?:in|up)", "live"),
    *("joined", "running", "half"),
    *("handful", "years? left", "repowered", "buy(?:ing)?", "counts?", "totals?", "averages?", "per"),
)
_SENTENCE = re.compile(
    r"[^.?!:;]+(?:(?:[.:](?! |$)|(?<=\bmin)\.|(?<=\bmax)\.|(?<=\bapprox)\.|(?<=\bre)\.)[^.?!:;]+)*[.?!:;]*"
)
_BEGINS = r"\b(?:but|so|hence|because)\b"
_CLAUSE = re.compile(rf"(?:{_BEGINS})?(?:(?!{_BEGINS})[^,()])+|{_BEGINS}|[,()]")
_TELLS = re.compile(
    r"\b(?:i|i'm|i've|me|we|we're|we've|us|my|our|he|he's|she|she's|they|his|her|it's|someone|somebody|(?:used|new) to|"
    r"who's (?:in|at|away|off)|"
    r"hello|hi|hence|retired|grew|dictat\w+|excuse|aside|(?:long|different|another) story|lease|booking|"
    r"being funny|thanks for|thank you for)\b|\bfor (?:an?|my|our|the|his|her) (?!§)"
)
_ASKS = re.compile(
    r"\b(?:(?<!know )(?<!is )what(?! (?:you|we|i|he|she|they) (?:did|said|wrote|sent|asked))|what'?s|(?<!, )which|"
    r"where|how|when|(?:are|is) there|(?<![a-z,] )who(?!'s (?:in|at|away|off)\b)|whether|any|every|"
    r"(?<!at )all (?!this|that|the)|show|(?<![a-z§] )list|(?:please|to|you|and|just|then|so) list|"
    r"(?<!can't )find|give|tell|send|"
    r"pull|need|wants?|(?:i'd|we'd|would|she'd|he'd) (?:like|love)|looking|"
    r"(?:i'm|we're|he's|she's) after|"
    r"oh,? and|and just|interested|interests? me|namely|please|pls|kindly|provide|"
    r"compar(?:e|ing)|explain|write|compose|draft|only(?! ever)|"
    r"(?<!we )(?<!i )(?<!they )(?<!you )can(?!'t)|could|would|should|"
    r"do you|(?<![a-z] )does|"
    r"built|constructed|newer|older|biggest|largest|smallest|newest|oldest|top|"
    r"mean(?:t)?|sorry|(?<!feel )rather|actually|instead|make (?:that|it))\b|\?$"
)
_REQUESTS = re.compile(
    r"\b(?:please|pls|show|how (?:many|much)|which|find|give me|send me|(?:can|could|would) you|need|want|"
    r"(?:would|'d) (?:like|love))\b|\?"
)
# A greeting tells nothing.
_TELLS_OF_ONESELF = re.compile(
    r"\b(?:i|i'm|i've|we|we're|we've|my|our|he|he's|she|she's|they|his|her|it's|its|someone|somebody|retired|grew|mine|"
    r"who's (?:had|got|been)|who (?:has|had|owns|runs))\b"
)
_ADDS = re.compile(r"\W*(?:and|also|plus|or)\b|.*\b(?:too|as well)\W*$")
# "Forget what I asked about digesters."
_FORGET = re.compile(r"\W*(?:ok(?:ay)?,? |actually,? |no,? )?(?:forget|never mind)\b")
_INSTEAD = re.compile(r"\b(?:make (?:it|that)|now it's|instead)\b")
_OWN = re.compile(r"\b(?:mine|owns?|put up (?:our|my))\b|\b(?:my|our) (?:\w+ )?(?:own|pair)\b")
# The rate of what they have is asked for.
_RATED = re.compile(r"\b(?:rates?|tariffs?(?! ends?\b)|earns?)\b")
_ADDS_A_WISH = re.compile(r"\b(?:acqui\w+|buy\w*|re-?power\w*|ppas?|revenues?|incomes?|earnings|breakdown|by|per)\b")
_DECIDES = re.compile(r"\b(?:let's|go with|stick to|should be|only|those|ones|them|(?:any|some)thing)\b")
_HEARSAY = re.compile(r"\b(?:says|said|reckons?|claims?|swears?)\b")
_BOUNDS = re.compile(
    r"\b(?:also|exactly|before|after|within|since|top|min(?:imum)?|max(?:imum)?|at (?:least|most)|over|under|above|"
    r"below|between)\b"
)
_WISHES = re.compile(r"\?|\b(?:let's|should|would|wants?|needs?|please|must|enough|ha(?:s|ve) to)\b")
# "The lecturer doesn't trust averages", "it's for the aviation people"
_OF_SOMEBODY = re.compile(r"\W*(?:the|our|my|his|her|they|he|she|it|it's|we|we're|we've|i|i'm|i've|somebody|someone)\b")
# "The 3 MW floor no longer applies."
_OVER = re.compile(
    r"(?:\b(?:is|are|was|were|been|now)|'s) (?:withdrawn|closed|off the table|all done)\b|"
    r"\bno longer (?:applies|apply|stands)\b|\bcan (?:go in the bin|be (?:ignored|binned))\b"
)
# "I live in Leeds", but not "we have sites in Leeds".
_HOME = re.compile(
    r"\b(?:(?:it's|raining|pouring|down) here in|(?:i|we|he|she|they)(?: \w+)? (?:live|lived|moved) "
    r"(?:in|near|to|from)|"
    r"(?:i'm|we're|i am|we are) (?:\w+ )?based in|(?:was|were) born in|grew up in|"
    r"(?:who|which|that) .{1,30} (?:sits|lives|works) (?:in|near)|"
    r"from (?:a|an|my|our) (?:desk|office|sofa|home|house|flat|van|train) (?:in|near|outside)|"
    r"(?:my|our|his|her|their|the) \w+ (?:(?:sits|is based|are based|lives?|works?) (?:in|near)|does|covers|handles))"
    r"(?: the)? $"
)
# "The Manchester people want a total for Cheshire."
_PEOPLE = re.compile(r" (?:people|office|team|lot|branch|folks?|guys|crowd)\b")
_JOINED = re.compile(r" ?(?:,|/|&|\band\b|\bor\b) ?")
# "And in Essex." adds to what is asked.
_FEW_WORDS = 3
# What a question is about.
_SUBJECTS = frozenset({"technology", "fit_id"})


def told_before(text: str, named: Sequence[Mention]) -> list[Span]:
    """Spans of what a question names in passing before it asks, where what it asks names another of the kind.

    Args:
        text: the question as it is read.
        named: what it names: a kind, begin and end. Years and durations need no other.
    """
    clauses = [
        clause.span()
        for sentence in _SENTENCE.finditer(text)
        for clause in _CLAUSE.finditer(text, *sentence.span())
        if text[slice(*clause.span())].strip(" ,()")
    ]
    places = [one for one in named if one[0] == "place"]
    homes = [
        one[1:]
        for one, other in itertools.pairwise([*places, ("", len(text), len(text))])
        if _HOME.search(text[: one[1]]) and not _JOINED.fullmatch(text[one[2] : other[1]])
    ]
    whose = [one[1:] for one in places if _PEOPLE.match(text[one[2] :])]
    elsewhere = [spans for spans in (homes, whose) if len(spans) < len(places)]
    earlier = _told_in_sentences(text, named) + list(itertools.chain(*elsewhere))
    asked = next((index for index, span in enumerate(clauses) if _ASKS.search(text, *span)), 0)
    told = next((index for index, span in enumerate(clauses[:asked]) if _TELLS.search(text, *span)), asked)
    if told == asked:
        return earlier
    begin, end = clauses[told][0], clauses[asked][0]
    kinds = {kind for kind, start, _ in named if start >= end}
    if "technology" not in kinds:
        return earlier
    passing = {*kinds, "year", "years"}
    return earlier + [(start, stop) for kind, start, stop in named if begin <= start < end and kind in passing]


@dataclass(frozen=True)
class _Sentence:
    """A stretch of the text with what it names, and whether it takes something back, tells, or asks."""

    begin: int
    end: int
    named: tuple[Mention, ...]
    takes_back: bool
    is_hearsay: bool
    tells: bool
    asks: bool

    @property
    def span(self) -> Span:
        return self.begin, self.end

    @property
    def kinds(self) -> set[str]:
        return {kind for kind, *_ in self.named}

    @property
    def has_subject(self) -> bool:
        return not _SUBJECTS.isdisjoint(self.kinds)

    def names(self, kinds: Collection[str]) -> list[Span]:
        """What it names of these kinds."""
        return [(begin, end) for kind, begin, end in self.named if kind in kinds]


def _sentences(text: str, named: Sequence[Mention]) -> Iterator[_Sentence]:
    for begin, end in (match.span() for match in _SENTENCE.finditer(text)):
        forgets = _FORGET.match(text, begin, end) and not _INSTEAD.search(text, begin, end)
        takes_back = bool(forgets) or _OVER.search(text, begin, end) is not None
        is_hearsay = _HEARSAY.search(text, begin, end) is not None and not _WISHES.search(text, begin, end)
        yield _Sentence(
            begin,
            end,
            tuple(one for one in named if begin <= one[1] < end),
            takes_back,
            is_hearsay,
            tells=takes_back or is_hearsay or _TELLS_OF_ONESELF.search(text, begin, end) is not None,
            asks=not takes_back and not is_hearsay and _ASKS.search(text, begin, end) is not None,
        )


def _told_in_sentences(text: str, named: Sequence[Mention]) -> list[Span]:
    """What sentences tell before another one that names a technology, and behind the first that asks for one."""
    found: list[Span] = []
    sentences = list(_sentences(text, named))
    question = None
    for index, sentence in enumerate(sentences):
        if question is not None:
            found += _told_behind(text, sentence, question.kinds)
            continue
        if sentence.asks and sentence.has_subject and (not sentence.tells or _REQUESTS.search(text, *sentence.span)):
            question = sentence
        is_told = sentence.tells and not sentence.asks if sentence.has_subject else sentence.tells or not sentence.asks
        if is_told:
            found += _told_ahead(text, sentence, sentences[index + 1 :])
    return found


def _told_ahead(text: str, sentence: _Sentence, following: Sequence[_Sentence]) -> list[Span]:
    """Of a sentence before the question, which names what it looks for.

    All, where it only tells and names nothing that the question does not name; else what the question names as well;
    its places, where it does neither tell nor ask.
    """
    kinds: set[str] = set()
    for later in following:
        kinds |= later.kinds
        if not _SUBJECTS.isdisjoint(kinds) and not _ADDS.match(text, *later.span):
            break
    else:
        return []
    if not sentence.tells:
        return sentence.names(kinds & {"place"})
    about_them = _is_about_them(text, sentence.span)
    passing = kinds if about_them else {*kinds, "year", "years"}
    if sentence.asks:
        return sentence.names((kinds if _DECIDES.search(text, *sentence.span) else passing) - {"size"})
    if sentence.named and (sentence.takes_back or not about_them) and sentence.kinds <= passing:
        return [sentence.span]
    own = sentence.kinds & {"place", "technology"}
    if (own and own <= passing) or (not own and _is_of_own(text, sentence.span)):
        return sentence.names(sentence.kinds)  # what they have, or what is elsewhere: its size as well
    return sentence.names(passing)


def _told_behind(text: str, sentence: _Sentence, asked: set[str]) -> list[Span]:
    """Of a sentence behind the question, which names these kinds: the same kinds, all that is theirs, or hearsay."""
    begin, end = sentence.span
    goes_on = text[:begin].rstrip().endswith(":")
    is_long = len(text[begin:end].split()) > 2 * _FEW_WORDS and not goes_on
    if sentence.asks or not (sentence.tells or is_long) or _ADDS.match(text, begin, end):
        return []
    if sentence.tells and sentence.is_hearsay and not _BOUNDS.search(text, begin, end):
        return [sentence.span]
    if not sentence.named:
        idle = _OF_SOMEBODY.match(text, begin, end) and not _ADDS_A_WISH.search(text, begin, end)
        return [sentence.span] if idle else []
    if sentence.tells and _is_of_own(text, sentence.span):
        return sentence.names({*asked, "size", "year", "years"})
    passing = asked if _is_about_them(text, sentence.span) else {*asked, "year", "years"}
    return sentence.names(passing if sentence.tells else asked - {"size"})


def _is_of_own(text: str, span: Span) -> bool:
    """Whether this stretch is of what the person has, in a question that does not ask what just that is paid."""
    return _OWN.search(text, *span) is not None and not _RATED.search(text)


def _is_about_them(text: str, span: Span) -> bool:
    """Whether there are words for installations in this stretch, or for what they have."""
    return any(words.search(text, *span) for words in (DOMAIN, _OF_THEM))


def background(text: str, evidence: Sequence[int], is_abroad: Callable[[str], bool]) -> list[Span]:
    """Spans of a question's text that only tell.

    Args:
        text: the question as it is read.
        evidence: where a technology, a size or a number of an installation begins.
        is_abroad: whether a text names what lies outside of Great Britain.
    """

    def asks(span: Span) -> bool:
        return _ASKS.search(text, *span) is not None

    def tells(span: Span) -> bool:
        return _TELLS.search(text, *span) is not None

    def shows(span: Span) -> int:
        return sum(span[0] <= one < span[1] for one in evidence)

    def searches(span: Span) -> bool:
        return shows(span) > 0 or _is_about_them(text, span)

    def is_outside(span: Span) -> bool:
        other = any(words.search(text, *span) for words in (OTHER_TECHNOLOGIES, OTHER_SCHEMES))
        return other or is_abroad(text[slice(*span)])

    def strays(span: Span) -> bool:
        return is_outside(span) or OTHER_TOPICS.search(text, *span) is not None

    def is_whole_question(span: Span) -> bool:
        """Of a sentence without another topic."""
        says_more = shows(span) > 1 or BLANK in text[slice(*span)] or (asks(span) and not tells(span))
        return bool(shows(span)) and says_more and (asks(span) or not tells(span))

    def is_asked(span: Span, end: int) -> bool:
        """Whether a sentence with another topic asks as well: one behind the question that ends there, above all."""
        if shows(span):
            return asks(span) or not tells(span)
        questions = asks(span) and (not tells(span) or text[slice(*span)].rstrip().endswith("?"))
        is_next = is_outside(span) and questions and span[0] >= end
        return is_next or re.search(r"\d", text[slice(*span)]) is not None

    found: list[Span] = []
    sentences = [match.span() for match in _SENTENCE.finditer(text)]
    if not any(map(searches, sentences)):
        return []
    straying = list(filter(strays, sentences)) if len(sentences) > 1 else []
    others = [one for one in sentences if one not in straying]
    if straying and (whole := next(filter(is_whole_question, others), None)):
        # "Tell me a joke. No, seriously: hydro in Wales?"
        found += [one for one in straying if not is_asked(one, whole[1])]
        sentences = [one for one in sentences if one not in found]
    for sentence in sentences:
        if not searches(sentence):
            long = len(text[slice(*sentence)].split()) > _FEW_WORDS
            found += [sentence] if (tells(sentence) or long) and not asks(sentence) else []
            continue
        end = sentence[0] + len(text[slice(*sentence)].rstrip(".?!:; "))
        clauses = [match.span() for match in _CLAUSE.finditer(text, sentence[0], end)]
        found += [one for one in clauses if tells(one) and not searches(one) and not asks(one)]
    return found
