"""Tiny models that have learnt nothing, so that training is what teaches them."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from fit_assets_tests.tiny_models import tiny_model


@pytest.fixture(scope="session")
def tiny_hf_untaught(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """architecture -> its Hugging Face folder with random weights; do not write there."""
    return cache(lambda architecture: tiny_model(tmp_path_factory.mktemp("untaught") / architecture, architecture))
