"""The default data set, made once for the tests of this room."""

from __future__ import annotations

import pytest

from fit_assets.dataset.examples import Example
from fit_assets.dataset.generator import GeneratorConfig, generate


@pytest.fixture(scope="session")
def examples() -> list[Example]:
    return generate(GeneratorConfig())
