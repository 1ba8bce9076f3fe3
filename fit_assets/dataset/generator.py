"""The training examples: a meaning is drawn for each category, put into words, and roughened by noise.

Each category draws its constraints close to uniformly over their combinations, not by how common they are:
what is rare in the wild must be learnt too. Beside these stand natural questions, as they were written and with other
values (:mod:`fit_assets.dataset.natural`): what is common in the wild must be learnt in the words of the wild.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast

from fit_assets import settings
from fit_assets.dataset import slots as say
from fit_assets.dataset.compose import compose_in, compose_search, polite
from fit_assets.dataset.examples import Example
from fit_assets.dataset.natural import Seed, Variations, load_seeds
from fit_assets.dataset.near_copies import NearCopyIndex
from fit_assets.dataset.noise import NoiseConfig, add_noise
from fit_assets.dataset.phrases import PhraseBook, choose, load_phrases, names_in
from fit_assets.dataset.slots import Slot, merge
from fit_assets.filters import FilterError, QueryFilters
from fit_assets.language.text import MAX_QUESTION_CHARS, normalise_question
from fit_assets.places import Gazetteer, Place, load_gazetteer

# Examples of each category in the mission's 4,500; other sizes scale them.
CATEGORIES: dict[str, int] = {
    "basic_technology": 500,
    "location_mapping": 1000,
    "capacity_filtering": 500,
    "combined": 1000,
    "fit_rate": 300,
    "regional_calculations": 300,
    "aggregations": 200,
    "comparisons": 200,
    "business_queries": 500,
}
OUT_OF_SCOPE = "out_of_scope"
DEFAULT_SIZE = sum(CATEGORIES.values())
# As many as people ask of them, and what the model finds hardest.
_OUT_OF_SCOPE_SHARE = 400 / DEFAULT_SIZE
_ATTEMPTS = 200
# So many of a category are made of phrases at least, or this share of a small one.
_FEWEST_OF_PHRASES = 30
_SHARE_OF_PHRASES = 0.4
_ATTEMPTS_AT_A_VARIANT = 8
# Natural questions have slips of their own.
_NOISE_ON_NATURAL = 0.4
# The contract fixes what the first two stand for, and its critical cases name them; nations are asked for most, and
# England's is the longest list to copy.
_OFTEN_NAMED = ("Yorkshire", "Berkshire", "England", "Scotland", "Wales")
_OFTEN_NAMED_SHARE = 0.06
_RARE_PLACES = 0.75
_FIGURES = {"count": 5, "sum_capacity": 5, "avg_capacity": 3, "min_capacity": 2, "max_capacity": 2}


class GeneratorError(ValueError):
    """The phrases cannot give what was asked for; the message names the category and the mend."""


@dataclass(frozen=True)
class GeneratorConfig:
    """What to generate: ``size`` in-scope examples, out-of-scope ones on top (default 400 for each 4,500).

    ``natural`` is the share of each category, 0 to 1, that is made of natural questions (at most 60 % of one of less
    than 60 examples); of each question at most ``max_variants`` examples, itself among them.
    """

    seed: int = 17
    size: int = DEFAULT_SIZE
    out_of_scope: int | None = None
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    natural: float = 0.8
    max_variants: int = 4


@dataclass(frozen=True)
class Meaning:
    """A gold object, a question that says it, and the texts in it that noise must leave alone."""

    gold: dict[str, Any]
    question: str
    protected: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Sources:
    """Where words and places come from, and the random numbers of one example."""

    rng: random.Random
    book: PhraseBook
    gazetteer: Gazetteer
    named: Counter[str]  # how many examples so far name a place

    def maybe(self, chance: float) -> bool:
        return self.rng.random() < chance

    def place(self) -> Slot:
        """A place; a known one is mostly one of those named least so far."""
        return say.place(self.rng, self.book, self.gazetteer, one=self.known_place())

    def known_place(self) -> Place:
        """A place of the gazetteer, mostly one of those named least so far: every place is in training."""
        if self.maybe(_OFTEN_NAMED_SHARE):
            return cast(Place, self.gazetteer.get(self.rng.choice(_OFTEN_NAMED)))
        if self.maybe(_RARE_PLACES):
            least = min(self.named[place.name] for place in self.gazetteer.places)
            return self.rng.choice([place for place in self.gazetteer.places if self.named[place.name] == least])
        return say.known_place(self.rng, self.gazetteer)


def quotas(size: int) -> dict[str, int]:
    """Examples for each category at this size: the mission's shares, rounded by largest remainder."""
    if size < 1:
        raise GeneratorError(f"size is {size}; ask for at least 1 example")
    exact = {name: share * size / DEFAULT_SIZE for name, share in CATEGORIES.items()}
    counts = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: counts[name] - exact[name])
    for name in by_remainder[: size - sum(counts.values())]:
        counts[name] += 1
    return counts


def out_of_scope_of(size: int) -> int:
    """How many out-of-scope examples go with so many of the categories."""
    return round(size * _OUT_OF_SCOPE_SHARE)


def generate(config: GeneratorConfig | None = None, measured: Iterable[str] = ()) -> list[Example]:
    """The whole data set, by category in the order of ``CATEGORIES``, the out-of-scope examples last.

    The same arguments give the same examples; no two questions are equal after ``normalise_question``, and none is
    a near copy of a ``measured`` one (a question kept for measuring, which training must not see).

    Raises:
        GeneratorError: the phrases do not yield enough different questions for a category.
    """
    config = config or GeneratorConfig()
    world = _World(load_phrases(), load_gazetteer())
    many = out_of_scope_of(config.size) if config.out_of_scope is None else config.out_of_scope
    seen = _Seen(measured)
    named: Counter[str] = Counter()
    examples: list[Example] = []
    for category, count in (quotas(config.size) | {OUT_OF_SCOPE: many}).items():
        # A small set of a few natural questions with other values is too much alike to be split.
        of_phrases = min(_FEWEST_OF_PHRASES, round(_SHARE_OF_PHRASES * count)) if config.natural < 1 else 0
        wanted = min(round(config.natural * count), count - of_phrases)
        natural = _natural(config, world, category, wanted, seen, named)
        examples += natural
        examples += [_example(config, world, category, index, seen, named) for index in range(count - len(natural))]
    return examples


def _natural(
    config: GeneratorConfig, world: _World, category: str, count: int, seen: _Seen, named: Counter[str]
) -> list[Example]:
    """At most ``count`` examples of a category's natural questions: each as it stands, then each with other values."""
    examples: list[Example] = []
    rng = random.Random(f"{config.seed}:natural {category}")
    seeds = _rare_kinds_first([seed for seed in world.seeds if seed.category == category], rng)
    source = _Sources(rng, world.book, world.gazetteer, named)
    noise = replace(config.noise, scale=config.noise.scale * _NOISE_ON_NATURAL)
    for turn in range(config.max_variants):
        for seed in seeds:
            if len(examples) == count:
                return examples
            for _ in range(_ATTEMPTS_AT_A_VARIANT if turn else 1):
                meaning = world.as_written(seed) if turn == 0 else world.varied(seed, source)
                if meaning is None:
                    continue
                question = meaning.question if turn == 0 else _noisy(world, meaning, rng, noise)
                example = Example.of(question, meaning.gold, category, seed.name)
                if seen.take(example):
                    _count_place(named, meaning.gold)
                    examples.append(example)
                    break
    return examples


def _rare_kinds_first(seeds: Sequence[Seed], rng: random.Random) -> list[Seed]:
    """The questions in an order by chance in which a combination of keys comes up by the root of how often it stands.

    There are more than are wanted of some categories: what is common in the wild would crowd out what is not.
    Weighted sampling without replacement, Efraimidis and Spirakis 2006.
    """
    kinds = [frozenset(key.removesuffix("_min").removesuffix("_max") for key in seed.gold) for seed in seeds]
    many = Counter(kinds)
    turns = {index: rng.expovariate(many[kind] ** -0.5) for index, kind in enumerate(kinds)}
    return [seeds[index] for index in sorted(turns, key=turns.__getitem__)]


class _Seen:
    """The questions so far: none may come again, nor nearly again with a gold object of another shape.

    Near copies with the same shape are wanted (one meaning, many wordings) and stay in one split together.
    """

    def __init__(self, measured: Iterable[str]) -> None:
        self._questions: set[str] = set()
        self._index = NearCopyIndex()
        self._measured = NearCopyIndex()
        for question in measured:
            self._measured.add(question)
        self._combinations: list[str] = []

    def take(self, example: Example) -> bool:
        """Keep the example, unless one like it is there."""
        key = normalise_question(example.q)
        if key in self._questions or self._measured.near(example.q):
            return False
        if any(self._combinations[number] != example.combination for number, _ in self._index.near(example.q)):
            return False
        self._questions.add(key)
        self._index.add(example.q)
        self._combinations.append(example.combination)
        return True


class _World:
    """The phrases, the natural questions, the places, and every word that stands in phrases or places."""

    def __init__(self, book: PhraseBook, gazetteer: Gazetteer) -> None:
        self.book = book
        self.gazetteer = gazetteer
        self.seeds = load_seeds(settings.questions_dir() / "train.jsonl", gazetteer)
        self._variations = Variations(book, gazetteer)
        names = (name for place in gazetteer.places for name in (place.name, *place.aliases))
        self.words = book.words() | {word.lower() for name in names for word in name.split()}

    def as_written(self, seed: Seed) -> Meaning:
        return Meaning(seed.gold, seed.q)

    def varied(self, seed: Seed, source: _Sources) -> Meaning | None:
        """The natural question with other values; names in it are left alone by noise."""
        if (varied := self._variations.vary(seed, source.rng, source.known_place)) is None:
            return None
        question, gold = varied
        names = [name for name in (gold.get("location"), *gold.get("locations", ())) if name]
        return Meaning(gold, question, tuple(names))

    def keeps_places(self, meaning: Meaning, text: str) -> bool:
        """Whether a misspelt question names no place that the question as meant does not name."""
        named = {match.place.name for match in self.gazetteer.find(meaning.question)}
        return {match.place.name for match in self.gazetteer.find(text)} <= named


def _example(
    config: GeneratorConfig, world: _World, category: str, index: int, seen: _Seen, named: Counter[str]
) -> Example:
    rng = random.Random(f"{config.seed}:{category}:{index}")
    source = _Sources(rng, world.book, world.gazetteer, named)
    for _ in range(_ATTEMPTS):
        meaning = _DRAWERS[category](source)
        if meaning is None:
            continue
        question = _noisy(world, meaning, rng, config.noise)
        example = Example.of(question, meaning.gold, category)
        if 2 <= len(normalise_question(question)) < MAX_QUESTION_CHARS and seen.take(example):
            _count_place(named, meaning.gold)
            return example
    raise GeneratorError(f"{category}: no new question in {_ATTEMPTS} attempts; add phrases or ask for a smaller size")


def _noisy(world: _World, meaning: Meaning, rng: random.Random, noise: NoiseConfig) -> str:
    return add_noise(
        meaning.question,
        rng,
        noise,
        protected=meaning.protected,
        known_words=world.words,
        keeps_meaning=partial(world.keeps_places, meaning),
    )


def _count_place(named: Counter[str], gold: Mapping[str, Any]) -> None:
    if "postcode_patterns" in gold and "location" in gold:
        named[gold["location"]] += 1


# --- meanings, one function for each category -------------------------------------------------------------------


def _basic_technology(source: _Sources) -> Meaning | None:
    rng, book = source.rng, source.book
    slots = {"technology": say.technologies(rng, book) if source.maybe(0.15) else say.technology(rng, book)}
    if source.maybe(0.45):
        name = rng.choice(("ranking", "ranking", "commissioned", "remaining", "expiry", "revenue"))
        slots[name] = _extra(source, name)
    return _search(source, slots)


def _location_mapping(source: _Sources) -> Meaning | None:
    slots = {"place": source.place()}
    if source.maybe(0.72):
        slots["technology"] = _technology(source, several=0.04)
    if source.maybe(0.12):
        return _aggregation(source, slots)
    if source.maybe(0.07):
        slots["ranking"] = say.ranking(source.rng, source.book)
    return _search(source, slots)


def _capacity_filtering(source: _Sources) -> Meaning | None:
    slots: dict[str, Slot] = {}
    _add_capacity(source, slots)
    if source.maybe(0.7):
        slots["technology"] = _technology(source, several=0.1)
    if source.maybe(0.1):
        return _aggregation(source, slots)
    if source.maybe(0.08):
        slots["ranking"] = say.ranking(source.rng, source.book)
    return _search(source, slots)


def _combined(source: _Sources) -> Meaning | None:
    rng, book = source.rng, source.book
    slots: dict[str, Slot] = {}
    number = rng.choices((2, 3, 4), (5, 6, 3))[0]
    names = rng.sample(("technology", "capacity", "place", "time"), number)
    if "place" not in names and source.maybe(0.5):  # most people say where
        names[-1] = "place"
    for name in names:
        if name == "technology":
            slots[name] = _technology(source, several=0.08)
        elif name == "place":
            slots[name] = source.place()
        elif name == "capacity":
            _add_capacity(source, slots)
        else:
            when = rng.choice(("commissioned", "commissioned", "remaining", "expiry"))
            slots[when] = _extra(source, when)
    if source.maybe(0.18):
        return _aggregation(source, slots, group=0.5)
    if source.maybe(0.25):
        slots["ranking"] = say.ranking(rng, book)
    if source.maybe(0.1):
        name = rng.choice(("revenue", "regional"))
        slots[name] = _extra(source, name)
    return _search(source, slots)


def _fit_rate(source: _Sources) -> Meaning | None:
    rng, book = source.rng, source.book
    kind = rng.choices(("set", "rate", "details", "revenue", "regional", "both"), (42, 22, 24, 7, 2, 3))[0]
    if kind != "set":
        return _fit_id(source, kind)
    slots = {}
    if source.maybe(0.93):
        slots["technology"] = _technology(source, several=0.04)
    if source.maybe(0.6) or not slots:
        _add_capacity(source, slots)
    if source.maybe(0.45):
        slots["commissioned"] = say.commissioned(rng, book, "in" if source.maybe(0.6) else None)
    if source.maybe(0.15):
        slots["place"] = source.place()
    return _meaning(source, slots, compose_in(rng, book, "fit_rate", "set", slots), {"query_type": "fit_rate"})


def _fit_id(source: _Sources, kind: str) -> Meaning:
    rng, book = source.rng, source.book
    number = say.fit_number(rng)
    text = choose(rng.choice(book.lines("fit_rate", f"id {kind}")).text, rng)
    text = text.replace("{word}", rng.choice(book.lines("fit_rate", "word")).text).replace("{id}", number)
    if text == number and len(number) < 4:  # a bare number means an installation from four digits on
        text = f"FIT {number}"
    gold: dict[str, Any] = {"fit_id": number}
    gold |= {"rate": {"query_type": "fit_rate"}, "details": {}}.get(kind, {})
    gold |= dict.fromkeys(_FIGURE_KEYS.get(kind, ()), True)
    return Meaning(gold, text if text == number else polite(rng, book, text))


_FIGURE_KEYS = {
    "revenue": ("include_revenue",),
    "regional": ("include_regional",),
    "both": ("include_regional", "include_revenue"),
}


def _regional_calculations(source: _Sources) -> Meaning | None:
    rng, book = source.rng, source.book
    kind = rng.choice(("revenue", "regional", "both"))
    slots = {"regional" if kind != "revenue" else "revenue": _figure(book, kind)}
    if source.maybe(0.85):
        slots["technology"] = _technology(source, several=0.07)
    if source.maybe(0.7) or len(slots) < 2:
        slots["place"] = source.place()
    if source.maybe(0.3):
        _add_capacity(source, slots)
    if source.maybe(0.2):
        when = rng.choice(("commissioned", "remaining", "expiry"))
        slots[when] = _extra(source, when)
    if source.maybe(0.12):
        slots["ranking"] = say.ranking(rng, book)
    return _search(source, slots)


def _aggregations(source: _Sources) -> Meaning | None:
    rng = source.rng
    slots: dict[str, Slot] = {}
    if source.maybe(0.65):
        slots["technology"] = _technology(source, several=0.08)
    if source.maybe(0.6):
        slots["place"] = source.place()
    if source.maybe(0.25):
        _add_capacity(source, slots)
    if source.maybe(0.22):
        when = rng.choice(("commissioned", "remaining", "expiry"))
        slots[when] = _extra(source, when)
    return _aggregation(source, slots, group=0.6)


def _comparisons(source: _Sources) -> Meaning | None:
    rng, book = source.rng, source.book
    slots: dict[str, Slot] = {}
    between = rng.choice(("technologies", "technologies", "technologies", "places"))
    if between == "technologies":
        slots["technology"] = say.technologies(rng, book, 3 if source.maybe(0.1) else 2)
        if source.maybe(0.75):
            slots["place"] = source.place()
    else:
        slots["place"] = say.places(rng, book, source.gazetteer, 3 if source.maybe(0.1) else 2)
        if source.maybe(0.8):
            slots["technology"] = say.technology(rng, book)
    if source.maybe(0.2):
        _add_capacity(source, slots)
    if source.maybe(0.15):
        when = rng.choice(("commissioned", "remaining", "expiry"))
        slots[when] = _extra(source, when)
    return _comparison(source, slots, between)


def _business_queries(source: _Sources) -> Meaning | None:
    rng, book = source.rng, source.book
    slots: dict[str, Slot] = {}
    if source.maybe(0.68):
        slots["intent"] = say.intent(rng, book)
    if "intent" not in slots or source.maybe(0.3):
        when = rng.choices(("remaining", "expiry"), (3, 2))[0]
        slots[when] = _extra(source, when)
    if source.maybe(0.7):
        slots["technology"] = _technology(source, several=0.06)
    if source.maybe(0.65):
        slots["place"] = source.place()
    if source.maybe(0.35):
        _add_capacity(source, slots)
    if source.maybe(0.1):
        slots["commissioned"] = say.commissioned(rng, book)
    if source.maybe(0.12):
        return _aggregation(source, slots, group=0.3)
    if source.maybe(0.05) and "intent" in slots:
        slots["technology"] = say.technologies(rng, book)
        return _comparison(source, slots, "technologies")
    if source.maybe(0.12):
        slots["ranking"] = say.ranking(rng, book)
    return _search(source, slots)


def _out_of_scope(source: _Sources) -> Meaning:
    rng, book = source.rng, source.book
    sections = [name for name in book.files["out_of_scope"] if not name.startswith("list ")]
    # Sections differ in size: the root gives the small ones more than their share of lines.
    weights = [len(book.lines("out_of_scope", name)) ** 0.5 for name in sections]
    line = rng.choice(book.lines("out_of_scope", rng.choices(sections, weights)[0]))
    text = choose(line.text, rng)
    technology = say.technology(rng, book)
    for name in names_in(text):
        text = text.replace(f"{{{name}}}", _out_of_scope_value(source, name, technology), 1)
    return Meaning({"query_type": "unsupported"}, polite(rng, book, text))


def _out_of_scope_value(source: _Sources, name: str, technology: Slot) -> str:
    rng, book = source.rng, source.book
    if name in ("tech", "tech_one", "tech_mod"):
        return technology.say({"tech": "plural", "tech_one": "one", "tech_mod": "mod"}[name], rng)
    if name == "place":
        return say.place(rng, book, source.gazetteer, rng.choice(("known", "known", "unknown"))).values["bare"][0]
    if name == "n":
        return say.capacity(rng, book, "exact").values["n"][0]
    if name == "id":
        return say.fit_number(rng)
    if name == "year":
        return str(rng.randrange(2010, 2030))
    return rng.choice(book.lines("out_of_scope", f"list {name}")).text


_DRAWERS: Mapping[str, Callable[[_Sources], Meaning | None]] = {
    "basic_technology": _basic_technology,
    "location_mapping": _location_mapping,
    "capacity_filtering": _capacity_filtering,
    "combined": _combined,
    "fit_rate": _fit_rate,
    "regional_calculations": _regional_calculations,
    "aggregations": _aggregations,
    "comparisons": _comparisons,
    "business_queries": _business_queries,
    OUT_OF_SCOPE: _out_of_scope,
}


# --- shared parts -----------------------------------------------------------------------------------------------


def _technology(source: _Sources, several: float) -> Slot:
    draw = say.technologies if source.maybe(several) else say.technology
    return draw(source.rng, source.book)


def _add_capacity(source: _Sources, slots: dict[str, Slot]) -> None:
    """A bound, a size in words, or now and then both ("large wind over 1 MW": the stricter counts)."""
    roll = source.rng.random()
    if roll < 0.82:
        slots["capacity"] = say.capacity(source.rng, source.book)
    if roll > 0.78:
        slots["size"] = say.size(source.rng, source.book)


def _extra(source: _Sources, name: str) -> Slot:
    rng, book = source.rng, source.book
    if name in ("revenue", "regional"):
        return _figure(book, name)
    return {"ranking": say.ranking, "commissioned": say.commissioned, "remaining": say.remaining, "expiry": say.expiry}[
        name
    ](rng, book)


def _figure(book: PhraseBook, kind: str) -> Slot:
    return {"revenue": say.revenue, "regional": say.regional, "both": say.both_figures}[kind](book)


def _search(source: _Sources, slots: dict[str, Slot]) -> Meaning | None:
    ranking = slots.get("ranking")
    if ranking is not None and (
        (ranking.gold["sort_by"] == "revenue_desc" and any("include_revenue" in slot.gold for slot in slots.values()))
        # "the largest solar farms and digesters installation": one row is of one technology
        or (ranking.kind == "one" and "technology" in slots and slots["technology"].kind == "several")
        # "the next 5 expiring sites expiring soon": nobody says both
        or (ranking.gold["sort_by"] == "fit_remaining_asc" and slots.keys() & {"remaining", "expiry"})
    ):
        return None
    return _meaning(source, slots, compose_search(source.rng, source.book, slots))


def _aggregation(source: _Sources, slots: dict[str, Slot], group: float = 0.0) -> Meaning | None:
    rng, book = source.rng, source.book
    figure = rng.choices(tuple(_FIGURES), tuple(_FIGURES.values()))[0]
    section = figure
    if source.maybe(group):
        by = say.group(rng, book)
        if by.kind == "technology" and slots.get("technology", by).kind == "one":
            del slots["technology"]
        slots["group"] = by
        section = f"{figure} group"
        if source.maybe(0.4):
            figure, section = "count", "count group"
    text = compose_in(rng, book, "aggregation", section, slots)
    return _meaning(source, slots, text, {"query_type": "aggregation", "aggregation": figure})


def _comparison(source: _Sources, slots: dict[str, Slot], between: str) -> Meaning | None:
    rng, book = source.rng, source.book
    figure = rng.choices(("", "revenue", *_FIGURES), (24, 3, 5, 6, 3, 1, 1))[0]
    gold: dict[str, Any] = {"query_type": "comparison"}
    gold |= {"include_revenue": True} if figure == "revenue" else {"aggregation": figure} if figure else {}
    text = compose_in(rng, book, "comparison", f"{between} {figure}".strip(), slots)
    return _meaning(source, slots, text, gold)


def _meaning(
    source: _Sources, slots: Mapping[str, Slot], text: str, gold: Mapping[str, Any] | None = None
) -> Meaning | None:
    """The question with its gold; None where the constraints contradict each other."""
    try:
        filters = QueryFilters.parse(merge(slots.values()) | dict(gold or {}))
    except FilterError:
        return None
    protected = tuple(part for slot in slots.values() for part in slot.protected)
    return Meaning(filters.to_dict(), polite(source.rng, source.book, text), protected)
