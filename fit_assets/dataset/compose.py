"""From a meaning to a question: slots are put into a noun phrase, the noun phrase into a frame.

The same slots become a full sentence, a row of keywords, a filled-in form, a place first or a size last, or
a sentence with afterthoughts: the style is drawn, the slots only say in which forms they can be said.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence

from fit_assets.dataset.phrases import Phrase, PhraseBook, choose, names_in
from fit_assets.dataset.slots import Slot

_STYLES = {"framed": 44, "bare": 13, "salad": 15, "lead": 8, "tail": 11, "notes": 4, "label": 3}
_BEFORE_NOUN = {  # how readily a slot stands before the noun
    "size": 0.85,
    "capacity": 0.3,
    "place": 0.28,
    "commissioned": 0.15,
    "remaining": 0.4,
    "expiry": 0.12,
    "intent": 0.35,
}
_RANKED_BEFORE = 0.75  # "the 5 largest …", or "…, just the 5 largest"
_OWN_FRAME, _SPECIAL_FRAME = 0.65, 0.4
_LISTED = 0.22  # of the noun phrases with several parts behind the noun: "in Devon, over 5 kW and built in 2013"
_POLITE_BEFORE, _POLITE_AFTER, _QUESTION_MARK = 0.1, 0.1, 0.55
_QUESTION_WORDS = re.compile(
    r"(what|which|who|where|when|how|is|are|do|does|did|can|could|would|will|have|has|any|got|whats|wheres|hows)\b",
    re.IGNORECASE,
)

Slots = Mapping[str, Slot]

_WHOLES = frozenset(("np", "one", "rest"))


def compose_search(rng: random.Random, book: PhraseBook, slots: Slots) -> str:
    """A question that lists installations."""
    styles = dict(_STYLES)
    spare = [name for name in slots if name not in ("technology", "ranking")]
    if not any(slots[name].has("lead") for name in spare):
        styles.pop("lead")
    if not any(slots[name].has("tail") for name in spare):
        styles.pop("tail")
    if len(spare) < 2 or not all(slots[name].has("tail") for name in spare):
        styles.pop("notes")
    if "technology" not in slots or not all(slot.has("label") for slot in slots.values()):
        styles.pop("label")
    if "ranking" in slots and slots["ranking"].kind == "one":  # keywords do not say whether one or many are meant
        styles.pop("salad")
        styles.pop("label", None)
    if slots.keys() & {"revenue", "regional"}:
        styles["framed"] *= 3  # "what do … earn" says it better than "… with revenue"
    style = rng.choices(tuple(styles), tuple(styles.values()))[0]
    if style == "salad":
        return _salad(rng, book, slots)
    if style == "label":
        return _labels(rng, slots)
    if style == "bare":
        return _tidy(noun_phrase(rng, book, slots))
    if style == "lead":
        first = rng.choice([name for name in spare if slots[name].has("lead")])
        return _tidy(f"{slots[first].say('lead', rng)} {framed(rng, book, _without(slots, first))}")
    if style == "tail":
        last = rng.choice([name for name in spare if slots[name].has("tail")])
        return _afterthoughts(rng, framed(rng, book, _without(slots, last)), [slots[last]], (", ", " - ", " ", ", "))
    if style == "notes":
        later = rng.sample(spare, rng.randrange(2, len(spare) + 1))
        return _afterthoughts(
            rng, framed(rng, book, _without(slots, *later)), [slots[name] for name in later], (". ", ", ")
        )
    return framed(rng, book, slots)


def framed(rng: random.Random, book: PhraseBook, slots: Slots) -> str:
    """A search in a sentence: around one of the slots ("which … expire first"), or in a general frame."""
    owners = [name for name, slot in slots.items() if slot.has("frame") and name != "group"]
    if owners and rng.random() < _OWN_FRAME:
        owner = rng.choice(owners)
        others = _without(slots, owner)
        if fitting := _fitting(slots[owner].forms["frame"], others, slots[owner]):
            return fill(rng, book, rng.choice(fitting), others, slots[owner])
    ranking = slots.get("ranking")
    if ranking and ranking.kind != "order":
        section = "single" if ranking.kind == "one" else "ranked"
        return fill(rng, book, rng.choice(_fitting(book.lines("search", section), slots)), slots)
    special = _fitting(book.lines("search", "special"), slots)
    if special and rng.random() < _SPECIAL_FRAME:
        return fill(rng, book, rng.choice(special), slots)
    return fill(rng, book, rng.choice(_fitting(book.lines("search", "frames"), slots)), slots)


def compose_in(rng: random.Random, book: PhraseBook, file: str, section: str, slots: Slots) -> str:
    """A question in one of the frames of a section; those that name a slot of the meaning are preferred a little."""
    lead = [name for name, slot in slots.items() if slot.has("lead")]
    tail = [name for name, slot in slots.items() if slot.has("tail")]
    roll = rng.random()
    if lead and roll < 0.12:
        first = rng.choice(lead)
        rest = _without(slots, first)
        if fitting := _fitting(book.lines(file, section), rest):
            return _tidy(f"{slots[first].say('lead', rng)} {fill(rng, book, rng.choice(fitting), rest)}")
    if tail and roll > 0.9:
        last = rng.choice(tail)
        rest = _without(slots, last)
        if fitting := _fitting(book.lines(file, section), rest):
            return _afterthoughts(rng, fill(rng, book, rng.choice(fitting), rest), [slots[last]], (", ", " - ", " "))
    fitting = _fitting(book.lines(file, section), slots)
    special = [phrase for phrase in fitting if phrase.slots]
    if special and rng.random() < 0.3:
        fitting = special
    return fill(rng, book, rng.choice(fitting), slots)


def fill(rng: random.Random, book: PhraseBook, frame: Phrase, slots: Slots, owner: Slot | None = None) -> str:
    """A frame with its names filled in; slots that it does not name go into ``{np}`` or ``{rest}``."""
    text = choose(frame.text, rng)
    left = dict(slots)
    for name in names_in(text):
        slot, _, form = name.partition(".")
        if form:
            text = text.replace(f"{{{name}}}", slots[slot].say(form, rng), 1)
            left.pop(slot, None)
        elif owner is not None and name in owner.values:
            text = text.replace(f"{{{name}}}", rng.choice(owner.values[name]), 1)
    if "{np}" in text:
        text = text.replace("{np}", noun_phrase(rng, book, left))
    if "{one}" in text:
        text = text.replace("{one}", noun_phrase(rng, book, left, singular=True))
    if "{rest}" in text:
        text = text.replace("{rest}", _posts(rng, list(left.values())))
    return _tidy(text)


def noun_phrase(rng: random.Random, book: PhraseBook, slots: Slots, singular: bool = False) -> str:
    """All the slots around one noun: "large Devon wind farms built since 2015 with under 5 years left"."""
    left = dict(slots)
    ranking, group = left.pop("ranking", None), left.pop("group", None)
    singular = singular or (ranking is not None and ranking.kind == "one")
    before: list[str] = []
    after: list[str] = []
    head = _head(rng, book, left, singular, plain=ranking is not None, after=after)
    names = list(left)
    rng.shuffle(names)
    for name in names:
        slot = left[name]
        if slot.has("pre") and len(before) < 2 and (rng.random() < _BEFORE_NOUN.get(name, 0) or not slot.has("post")):
            before.append(slot.say("pre", rng))
        else:
            after.append(slot.say("post", rng))
    rng.shuffle(after)
    if len(after) > 1 and rng.random() < _LISTED:
        joint = rng.choice((", ", " and ", ", and "))
        after = [", ".join(after[:-1]) + joint + after[-1]]
    if ranking is not None:
        if ranking.has("pre") and (not ranking.has("post") or rng.random() < _RANKED_BEFORE):
            before.insert(0, ranking.say("pre", rng))
        else:
            after.append(ranking.say("post", rng))
    if group is not None:
        after.append(group.say("post", rng))
    return " ".join((*before, head, *after))


def polite(rng: random.Random, book: PhraseBook, text: str) -> str:
    """Greetings, thanks and the question mark, now and then."""
    if rng.random() < _POLITE_BEFORE:
        text = f"{choose(rng.choice(book.lines('politeness', 'before')).text, rng)} {text}"
    asks = _QUESTION_WORDS.match(text) is not None
    if rng.random() < _POLITE_AFTER:
        after = choose(rng.choice(book.lines("politeness", "after")).text, rng)
        text = f"{text} {after}" if after[0].isalnum() else f"{text}{after}"
    if asks and text[-1].isalnum() and rng.random() < _QUESTION_MARK:
        text += "?"
    return _tidy(text)


def _head(
    rng: random.Random, book: PhraseBook, left: dict[str, Slot], singular: bool, plain: bool, after: list[str]
) -> str:
    """The noun; takes the slots that it says out of ``left``."""
    number = "one" if singular else "plural"
    intent, technology = left.get("intent"), left.get("technology")
    noun = choose(rng.choice(book.lines("nouns", number)).text, rng)
    if intent and intent.has(f"head_{number}") and rng.random() < 0.5:
        noun = left.pop("intent").say(f"head_{number}", rng)
        if technology is None:
            return noun
        left.pop("technology")
        return f"{technology.say('mod', rng)} {noun}"
    if technology is None:
        if not singular and not plain and rng.random() < 0.12 and left:
            return choose(rng.choice(book.lines("nouns", "anything")).text, rng)
        return noun
    if not singular and not plain and technology.has("post") and len(left) > 1 and rng.random() < 0.06:
        after.append(left.pop("technology").say("post", rng))
        return choose(rng.choice(book.lines("nouns", "anything")).text, rng)
    left.pop("technology")
    if technology.has(number) and rng.random() < 0.55:
        return technology.say(number, rng)
    if not singular and not plain and rng.random() < 0.2:  # "biggest windfarm" would be one
        return technology.say("mod", rng)
    return f"{technology.say('mod', rng)} {noun}"


def _salad(rng: random.Random, book: PhraseBook, slots: Slots) -> str:
    """A row of keywords in any order, as typed into a search box."""
    words = []
    for slot in slots.values():
        # "oldest windfarm" is one, "oldest windfarms" are many
        many = "ranking" in slots and slots["ranking"].kind == "many"
        forms = ("plural", "key", "pre", "mod", "post") if many else ("key", "pre", "mod", "post")
        form = next(form for form in forms if slot.has(form))
        words.append(slot.say(form, rng))
    if "technology" not in slots and rng.random() < 0.5:
        words.append(choose(rng.choice(book.lines("nouns", "plural")).text, rng))
    rng.shuffle(words)
    return _tidy(rng.choice((" ", " ", " ", " ", ", ", " / ")).join(words))


def _labels(rng: random.Random, slots: Slots) -> str:
    words = [slot.say("label", rng) for slot in slots.values()]
    rng.shuffle(words)
    return _tidy(rng.choice((", ", "; ", " ", " | ")).join(words))


def _afterthoughts(rng: random.Random, text: str, slots: Sequence[Slot], joints: Sequence[str]) -> str:
    joint = rng.choice(joints)
    return _tidy(joint.join([text, *(slot.say("tail", rng) for slot in slots)]))


def _posts(rng: random.Random, slots: list[Slot]) -> str:
    rng.shuffle(slots)
    return " ".join(slot.say("post" if slot.has("post") else "pre", rng) for slot in slots)


def _fitting(phrases: Sequence[Phrase], slots: Slots, owner: Slot | None = None) -> list[Phrase]:
    """Frames that can say exactly these slots; ``{rest}`` cannot say a technology or a ranking."""
    fitting = []
    known: dict[tuple[str, str], bool] = {}
    own = owner.values.keys() if owner else ()
    for phrase in phrases:
        for slot, form in phrase.slots:
            if (slot, form) not in known:
                known[slot, form] = slot in slots and slots[slot].has(form)
        if not all(known[pair] for pair in phrase.slots) or not phrase.values <= _WHOLES | set(own):
            continue
        left = slots.keys() - {slot for slot, _ in phrase.slots}
        in_rest = "rest" in phrase.values and not left & {"technology", "ranking"}
        if phrase.values & {"np", "one"} or in_rest or not left:
            fitting.append(phrase)
    return fitting


def _without(slots: Slots, *names: str) -> dict[str, Slot]:
    return {name: slot for name, slot in slots.items() if name not in names}


def _tidy(text: str) -> str:
    """Single spaces, none before a comma, no joint left over at the end, "an" before a vowel."""
    text = re.sub(r"\s+([,.?;:!])(?=\s|$)", r"\1", " ".join(text.split()))
    text = re.sub(r"([,:;.-])\s*,", r"\1", text)
    text = re.sub(r"\b([Aa]) (?=[aeio]|A[DN])", r"\1n ", text)
    # A plus that stands alone joins; one behind a number is a bound: "500kW+", "2013+".
    return re.sub(r"(?:[\s,;:/|@>&-]|(?<=\s)\+)+$", "", text)
