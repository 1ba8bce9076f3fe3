"""What tests of several rooms share: tiny models, made once a session and only when asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

from fit_assets_tests.tiny_models import TAUGHT, teach, tiny_model

# No test is timed: the machine is shared.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def tiny_hf(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """architecture -> its Hugging Face folder; do not write there. Those in ``TAUGHT`` know their lessons."""

    @cache
    def make(architecture: str) -> Path:
        folder = tiny_model(tmp_path_factory.mktemp("tiny") / architecture, architecture)
        return teach(folder) if architecture in TAUGHT else folder

    return make


@pytest.fixture(scope="session")
def toolchain() -> Path:
    """llama.cpp's converter; without a network on a first run, tests that need it are skipped."""
    from fit_assets.packaging.toolchain import ToolchainError, ensure_toolchain

    try:
        return ensure_toolchain()
    except ToolchainError as error:
        pytest.skip(f"needs llama.cpp's converter: {error}")


@pytest.fixture(scope="session")
def tiny_gguf(
    tmp_path_factory: pytest.TempPathFactory, tiny_hf: Callable[[str], Path], toolchain: Path
) -> Callable[[str], Path]:
    """architecture -> the same model as f16 GGUF; do not write there."""
    from fit_assets.packaging.gguf import convert

    folder = tmp_path_factory.mktemp("gguf")
    return cache(lambda architecture: convert(tiny_hf(architecture), folder / f"{architecture}.gguf"))
