"""Noise roughens a question without changing what it means."""

import random
import re

import pytest

from fit_assets.dataset.generator import GeneratorConfig, generate
from fit_assets.dataset.noise import NoiseConfig, add_noise
from fit_assets.dataset.phrases import load_phrases
from fit_assets.language.numbers import digits_of

LOUD = NoiseConfig(scale=10.0)
KNOWN = load_phrases().words()


def _noisy(text, number=200, **options):
    return [add_noise(text, random.Random(seed), LOUD, known_words=KNOWN, **options) for seed in range(number)]


@pytest.mark.parametrize(
    "text",
    ["wind farms over 1,500 kW built in 2013", "top 10 solar between 1.5 and 2.5MW", "FIT 4004", "hydro near RG17 9AB"],
)
def test_digits_are_never_touched(text):
    for noisy in _noisy(text):
        assert re.findall(r"[\d.,]*\d", noisy) == re.findall(r"[\d.,]*\d", text), noisy


def test_protected_texts_stay_letter_by_letter():
    for noisy in _noisy("show me wind turbines near Skelthwaite please", protected=("Skelthwaite",)):
        assert "skelthwaite" in noisy.lower()


def test_number_words_and_units_are_not_misspelt():
    for noisy in _noisy("hydro over half a megawatt and under three megawatts with eighteen months left"):
        plain = noisy.lower().replace("-", " ").replace("mega watt", "megawatt")
        assert "half a megawatt" in plain
        assert "three megawatts" in plain
        assert "eighteen months" in plain


def test_a_typo_is_never_another_known_word():
    for noisy in _noisy("turbines over 5 kW before winter under wider windows"):
        words = re.findall(r"[a-z]+", noisy.lower())
        assert "under" in words or "udner" in words or not {"over", "above"} & set(words) - {"over"}
        assert words.count("over") <= 1


def test_a_refused_typo_is_taken_back():
    text = "solar panels in Devon"
    for noisy in _noisy(text, keeps_meaning=lambda changed: False):
        assert "devon" in noisy.lower()


def test_rate_nought_is_silence():
    text = "Wind farms in Devon, over 5 kW?"
    assert {add_noise(text, random.Random(seed), NoiseConfig(scale=0.0)) for seed in range(50)} == {text}


def test_rates_are_about_what_they_say():
    config = NoiseConfig()
    text = "Hello, which turbines are there?"
    noisy = [add_noise(text, random.Random(seed), config) for seed in range(2000)]
    lower = sum(one == one.lower() for one in noisy) / 2000
    assert abs(lower - config.lower) < 0.05
    assert abs(sum(one == one.upper() for one in noisy) / 2000 - config.upper) < 0.02


def test_numbers_of_gold_survive_in_generated_questions():
    for example in generate(GeneratorConfig(seed=21, size=200)):
        if "fit_id" in example.gold:
            assert example.gold["fit_id"] in digits_of(example.q)  # "fit i d 1 2 7 7 4", "one oh four"
