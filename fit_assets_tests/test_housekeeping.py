"""What is pruned, what is kept, and what is put back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fit_assets import housekeeping
from fit_assets.evaluation import tracking, versions
from fit_assets.served import Served, take_note

MODELS = "models/tiny"


@pytest.fixture
def var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight registered versions, the first in production, the second what the eighth was retrained from."""
    monkeypatch.setenv("FIT_ASSETS_VAR", str(tmp_path))
    found = []
    for number in range(8, 0, -1):
        digest = str(number) * 64
        package = tmp_path / MODELS / "releases" / digest[:12]
        for name in ("tiny.gguf", "adapter/adapter_model.safetensors", "inputs/train.jsonl", "report.json"):
            (package / name).parent.mkdir(parents=True, exist_ok=True)
            (package / name).write_text("x" * 100)
        made_of = '{"started_from":{"digest":"adapter 2"}}' if number == 8 else "{}"
        found.append(
            versions.Version(
                version=number,
                digest=digest,
                registered_at=datetime.now(UTC),
                status={1: "production", 8: "staging"}.get(number, "archived"),
                training_examples=1,
                metrics={},
                improvements="",
                gguf_path=package / "tiny.gguf",
                run_id=f"run-{number}",
                feedback_watermark=None,
                tags={"adapter_digest": f"adapter {number}", "made_of": made_of},
            )
        )
    monkeypatch.setattr(tracking, "store_exists", lambda: True)
    monkeypatch.setattr(versions, "list_versions", lambda: found)
    monkeypatch.setattr(housekeeping, "_mlflow_runs", lambda now: [])
    return tmp_path


def later(hours: float) -> datetime:
    return datetime.now(UTC) + timedelta(hours=hours)


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    return path


def whole(var: Path) -> set[int]:
    packages = (var / MODELS / "releases").iterdir()
    return {int(package.name[0]) for package in packages if (package / "tiny.gguf").exists()}


def test_versions_that_count_are_kept_and_inputs_of_the_others(var: Path) -> None:
    pruned = housekeeping.prune(later(10_000))
    # production, what the newest was retrained from, and the newest five
    assert whole(var) == {1, 2, 4, 5, 6, 7, 8}
    third = var / MODELS / "releases" / ("3" * 12)
    assert sorted(file.name for file in third.iterdir()) == ["inputs", "report.json"]
    assert sum(one.bytes for one in pruned) == 200
    assert housekeeping.prune(later(10_000)) == []


def test_what_the_note_names_is_kept_even_when_no_alias_does(var: Path) -> None:
    take_note(Served(3, "3" * 64, var / MODELS / "releases" / ("3" * 12) / "tiny.gguf", "tiny"))
    housekeeping.prune()
    assert 3 in whole(var)


def test_while_the_registry_is_away_nothing_is_pruned(var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "list_versions", lambda: 1 / 0)
    touch(var / "dataset" / "train.jsonl.partial")
    with pytest.raises(ZeroDivisionError):
        housekeeping.prune(later(10_000))
    assert len(whole(var)) == 8
    assert (var / "dataset" / "train.jsonl.partial").exists()


@pytest.mark.parametrize(
    ("leftover", "hours"),
    [
        ("dataset/train.jsonl.partial", 6),
        (f"{MODELS}/merged.partial/model.safetensors", 6),
        (f"{MODELS}/gguf/.f16-abc/full.gguf", 6),
        (f"{MODELS}/releases/aaaaaaaaaaaa/tiny.gguf", 6),
        (f"{MODELS}/checkpoints/0123/checkpoint-9/optimizer.pt", 72),
        ("reproduced/3/adapter/adapter_model.safetensors", 168),
    ],
)
def test_leftovers_go_when_they_are_old_enough(var: Path, leftover: str, hours: float) -> None:
    path = touch(var / leftover)
    housekeeping.prune(later(hours - 0.1))
    assert path.exists()
    housekeeping.prune(later(hours + 0.1))
    assert not path.exists()


def test_a_folder_whose_successor_never_came_is_put_back(var: Path) -> None:
    touch(var / MODELS / "adapter.old" / "adapter_config.json")
    stale = touch(var / MODELS / "base.old" / "config.json")
    touch(var / MODELS / "base" / "config.json")
    housekeeping.prune(later(7))
    assert (var / MODELS / "adapter" / "adapter_config.json").exists()
    assert not stale.exists()


def test_reports_on_models_that_are_gone_go(var: Path) -> None:
    kept, gone = (touch(var / MODELS / "measured" / (digit * 12) / "natural.json") for digit in "13")
    housekeeping.prune()
    assert kept.exists()
    assert not gone.exists()


def test_data_and_feedback_are_never_touched(var: Path) -> None:
    files = [touch(var / name) for name in ("feedback/2020-01-01-1.jsonl", "dataset/train.jsonl", "dagster/a.partial")]
    housekeeping.prune(later(100_000))
    assert all(file.exists() for file in files)


def test_disk_use_counts_a_hard_link_once(var: Path) -> None:
    first = var / MODELS / "gguf" / "tiny.gguf"
    first.parent.mkdir()
    first.hardlink_to(var / MODELS / "releases" / ("1" * 12) / "tiny.gguf")
    uses = {use.part: use for use in housekeeping.disk_use()}
    assert uses[f"{MODELS}/gguf"].bytes == 100
    assert uses[f"{MODELS}/releases"].bytes == 8 * 400 - 100
    assert housekeeping.free_bytes() > 0
