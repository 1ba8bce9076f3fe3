"""What a person takes back in the same breath: "over 200 kW... make that 400", "in Kent, no sorry, Essex"."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

from fit_assets.language.text import Mention, Span

# "Over 500 kW, but it has to be under 2 MW" says two bounds.
_NO_BOUND = (
    r"(?! (?:those |ones |the ones )?(?:over|under|above|below|more|less|at (?:least|most)|up to|before|after|by|since|"
    r"between|built|commissioned)\b)"
)
_MARKER = re.compile(
    r"[ .,…-]*\b(?:"
    r"(?:no,? )?(?:sorry(?: about that| for the typo)?"
    r"(?!,? (?:nearly|almost|i) forgot|,? (?:typing|about|for|to)\b)|apologies|"
    r"wait|hang on|hold on|correction|scra(?:tch|p) that),?"
    r"(?: (?:i mean(?:t)?|make (?:that|it)|just say))?|"
    r"(?:but |no,? )?i (?:mean|meant|should say)(?: to say)?|"
    r"(?:no,? )?(?:actually,? )?make (?:that|it)|"
    r"or rather|"
    r"(?:perhaps,? )?(?:no,? )?(?:let's|we'll|i'll) (?:keep|stick) (?:to|with)|(?:and )?settled on|"
    rf"(?:but )?(?:honestly )?it has to be{_NO_BOUND}|(?:have )?come to the conclusion(?: that)?|"
    r"as of (?:this morning|today|yesterday|now)|"
    rf"(?:and )?now (?:says|wants|prefers)(?![^.;?!]* (?:too|also|as well)\b)|"
    rf"(?:and |but )?so (?:just|only){_NO_BOUND}|"
    r"but (?:then )?(?:i|we) (?:really |only )+need)\b(?![ ,:]*not\b)[ ,:]*"
)
# "First I thought 100 kW, then the bank said 150, and in the end we settled on 200": every one before is meant no more.
_AT_FIRST = re.compile(r"\b(?:at )?first\b|\bbegan as\b|\bstarted (?:out )?as\b|\b(?:initially|originally)\b")
_END = re.compile(r"[.?!;](?: |$)|$")
_STOP = re.compile(r"[.?!;] ")
# "fifty no sixty kilowatts"
_NO = re.compile(r"[ .,…-]*\bno\b[ ,]*")
# "Kent, no, Essex"; "Scotland, no Orkney" leaves something out
_NO_AND_COMMA = re.compile(
    r"[ .,…-]*(?:or )?(?:(?:uh|um|erm?|well|oh),? )*(?:\bno,|\bno (?=it (?:is|was))) *(?:it (?:is|was) )?"
)
# "we've dropped the 2 MW idea", "Derbyshire dropped off the list"
_DROPPING = re.compile(
    r"\b(?:dropped|turned down|ditched|abandoned|scrap(?:ped)?|forget|ruled out|struck out|given up on|crossed off)"
    r" (?:the )?$"
)
_RATHER = re.compile(r"\b(?:rather than|instead of) (?:the |in |from )?$")
_DROPPED = re.compile(
    r" (?:(?:has|have|was|were|is|are|been) ){0,2}(?:dropped (?:off|out)|ruled out|crossed off)\b|"
    r" (?:any ?more|any longer)\b"
)
# "disregard the mail about 100 kW", "scrap what I said about turbines in Fife"
_DISREGARDING = re.compile(
    r"\b(?:disregard|ignore|forget|scrap|never mind) (?:what (?:i|we) (?:said|asked|wrote)|"
    r"(?:the|that) (?:one|bit|mail|message|question|request)s? (?:about|for|on|from)|"
    r"(?:my|our) (?:last|earlier|previous|first)|everything from)\b"
    r"(?:(?!\b(?:what )?(?:we|i) (?:need|want)|(?:could|can|would) you|instead|scrap )[^.;:?!])*"
)
# "First I thought we needed wind in Kent, but it's solar"
_FIRST_THOUGHT = re.compile(r"\bfirst (?:i|we|he|she|they) (?:thought|wanted|asked|said)\b[^.;?!]*?\b(?:but|then)\b")
# "not Croydon, Watford!", "it isn't Kendal, it's Keswick"
_DENIED = re.compile(r"\b(?:not|isn't|is not|wasn't) (?:in |at |near |around )?$")
_BUT = re.compile(r"[ ,;:.-]*")
_IT_IS = re.compile(r"(?: (?:we|i) (?:need|want|meant?))?[ ,;:.-]*it(?:'s| is) ")
_JOINED = re.compile(r" ?(?:kw|mw)? ?(?:and|to|-) ?")


def taken_back(text: str, named: Sequence[Mention], written: str) -> list[Span]:
    """Spans of a question's text that are not meant, the correcting words among them.

    Args:
        text: the question as it is read.
        named: what it names: a kind, begin and end. What is named behind the correcting words takes the place of the
            nearest of its kind before them.
        written: the same text, as long, with the names of places.
    """
    found = [*_replaced_by_no(text, named), *_denied(text, named), *_dropped(text, named, written)]
    for marker in _MARKER.finditer(text):
        end = _END.search(text, marker.end())
        sentence = max((stop.end() for stop in _STOP.finditer(text, 0, marker.start())), default=0)
        after = [one for one in named if marker.end() <= one[1] < (end.start() if end else len(text))]
        before = [one for one in named if one[2] <= marker.start()]
        thought = _AT_FIRST.search(text, sentence, marker.start())
        replaced: list[Mention] = []
        for kind in dict.fromkeys(one[0] for one in after):
            earlier = [one for one in before if one[0] == kind]
            if thought:
                replaced += [one for one in earlier if one[1] >= thought.end()]
            of_range = _is_range(text, after, kind) and _is_range(text, earlier[-2:], kind)
            replaced += [one for one in earlier[-2 if of_range else -1 :] if one not in replaced]
            # "Norfolk... forget Norfolk, make it Suffolk"
            words = [written[slice(*one[1:])] for one in replaced if one[0] == kind == "place"]
            replaced += [one for one in earlier if one not in replaced and written[slice(*one[1:])] in words]
        if not replaced:
            continue
        first = min(one[1] for one in replaced)
        others = [one for one in before if one[1] >= first and one not in replaced]
        found += [(one[1], one[2]) for one in replaced] + [marker.span()] if others else [(first, marker.end())]
    return found


def _replaced_by_no(text: str, named: Sequence[Mention]) -> Iterator[Span]:
    for one, other in itertools.pairwise(named):
        between = text[one[2] : other[1]]
        if one[0] == other[0] and ((one[0] == "size" and _NO.fullmatch(between)) or _NO_AND_COMMA.fullmatch(between)):
            yield one[1], other[1]


def _denied(text: str, named: Sequence[Mention]) -> Iterator[Span]:
    """Places that are said to be the wrong ones, where the right one follows; named twice, both times."""
    nothing = ("", len(text), len(text))
    for before, one, after in zip([nothing, *named], named, [*named[1:], nothing], strict=False):
        corrected = one[0] == after[0] and _BUT.fullmatch(text[one[2] : after[1]])
        if one[0] == "place" and _DENIED.search(text[: one[1]]) and (corrected or _IT_IS.match(text[one[2] :])):
            if before[0] == one[0] and re.search(r"\bno\b", text[before[2] : one[1]]):
                yield before[1:]
            yield one[1:]


def _dropped(text: str, named: Sequence[Mention], written: str) -> Iterator[Span]:
    """What is said to be out, where something of its kind is named later."""
    for index, one in enumerate(named):
        out = _DROPPING.search(text[: one[1]]) or _DROPPED.match(text[one[2] :])
        if out and any(later[0] == one[0] for later in named[index + 1 :]):
            words = written[slice(*one[1:])]
            yield from (same[1:] for same in named[: index + 1] if written[slice(*same[1:])] == words)
        if _RATHER.search(text[: one[1]]) and any(other[0] == one[0] for other in named[:index]):
            yield one[1:]
    for given_up in (*_DISREGARDING.finditer(text), *_FIRST_THOUGHT.finditer(text)):
        begin, end = given_up.span()
        for kind, start, stop in named:
            if begin <= start < end and any(later[0] == kind and later[1] >= end for later in named):
                yield start, stop


def _is_range(text: str, named: Sequence[Mention], kind: str) -> bool:
    pair = [one for one in named if one[0] == kind][:2]
    return len(pair) == 2 and _JOINED.fullmatch(text[pair[0][2] : pair[1][1]]) is not None
