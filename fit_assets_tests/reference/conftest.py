"""One stand-in warehouse for the whole room, built once and only read."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from fit_assets.reference import facts, standin, tariffs, warehouse

AS_OF = date(2026, 1, 1)


@pytest.fixture(scope="session")
def register() -> pd.DataFrame:
    """The stand-in register; do not write to it."""
    return standin.build_register()


@pytest.fixture(scope="session")
def built_folder(tmp_path_factory: pytest.TempPathFactory, register: pd.DataFrame) -> Path:
    return _build(tmp_path_factory.mktemp("var"), register)


@pytest.fixture(scope="session")
def sample(register: pd.DataFrame) -> pd.DataFrame:
    """Some 2,600 rows of all sorts: where each question is asked twice, of SQL and of pandas."""
    of_interest = register["outward_code"].isna() | register["fit_id"].isin(["4004", "1585"])
    rare = register["technology"].isin(["Micro CHP", "Anaerobic digestion"])
    return register[of_interest | rare | (register.index % 20 == 0)].reset_index(drop=True)


@pytest.fixture(scope="session")
def sample_folder(tmp_path_factory: pytest.TempPathFactory, sample: pd.DataFrame) -> Path:
    return _build(tmp_path_factory.mktemp("sample"), sample)


def _build(folder: Path, register: pd.DataFrame) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIT_ASSETS_VAR", str(folder))
        patch.delenv("FIT_ASSETS_DATA", raising=False)
        warehouse.replace_table("installations", register, columns=standin.COLUMNS, comment=standin.DESCRIPTION)
        tariffs.build_tariff_rates()
        facts.build_places()
        facts.build_installation_facts(AS_OF)
    return folder


@pytest.fixture
def stand_in_warehouse(built_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings point at the stand-in warehouse; do not write to it."""
    monkeypatch.setenv("FIT_ASSETS_VAR", str(built_folder))
    monkeypatch.delenv("FIT_ASSETS_DATA", raising=False)
    return built_folder


@pytest.fixture
def sample_warehouse(sample_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings point at the warehouse of the sample; do not write to it."""
    monkeypatch.setenv("FIT_ASSETS_VAR", str(sample_folder))
    monkeypatch.delenv("FIT_ASSETS_DATA", raising=False)
    return sample_folder


@pytest.fixture
def empty_warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings point at a folder without a warehouse."""
    monkeypatch.setenv("FIT_ASSETS_VAR", str(tmp_path / "var"))
    return tmp_path / "var"
