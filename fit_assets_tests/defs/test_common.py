import json
from pathlib import Path

import pytest

from fit_assets.defs import common


@pytest.fixture(autouse=True)
def var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FIT_ASSETS_VAR", str(tmp_path))
    return tmp_path


def writes(text: str) -> common.Callable[[Path], dict[str, int]]:
    def build(aside: Path) -> dict[str, int]:
        aside.write_text(text)
        return {"characters": len(text)}

    return build


def fails(aside: Path) -> None:
    aside.write_text("half")
    raise OSError("no space left on device")


def test_finished_work_is_recognised(var: Path) -> None:
    target = var / "work.txt"
    first, reused = common.make_or_reuse(target, {"seed": 1}, writes("one"))
    assert not reused
    assert first.facts == {"characters": 3}
    again, reused = common.make_or_reuse(target, {"seed": 1}, fails)
    assert reused
    assert again == first


@pytest.mark.parametrize("why", ["other inputs", "force", "damaged"])
def test_work_is_done_again_when_it_must_be(var: Path, why: str) -> None:
    target = var / "work.txt"
    common.make_or_reuse(target, {"seed": 1}, writes("one"))
    if why == "damaged":
        target.write_text("on")
    inputs = {"seed": 2 if why == "other inputs" else 1}
    _, reused = common.make_or_reuse(target, inputs, writes("two"), force=why == "force")
    assert not reused
    assert target.read_text() == "two"


def test_a_failure_leaves_the_last_good_artifact(var: Path) -> None:
    target = var / "work.txt"
    record, _ = common.make_or_reuse(target, {"seed": 1}, writes("one"))
    with pytest.raises(OSError, match="no space"):
        common.make_or_reuse(target, {"seed": 2}, fails)
    assert target.read_text() == "one"
    assert common.upstream(target, "work") == record
    assert sorted(file.name for file in var.iterdir()) == ["work.txt", "work.txt.digest.json"]


def test_a_missing_upstream_names_the_asset(var: Path) -> None:
    with pytest.raises(common.MissingUpstream, match="materialise the asset base_model first"):
        common.upstream(var / "base", "base_model")


def test_code_versions_follow_the_sources_and_refuse_what_is_not_there() -> None:
    assert common.source_digest("filters.py") == common.source_digest("filters.py")
    assert common.source_digest("filters.py") != common.source_digest("settings.py")
    with pytest.raises(FileNotFoundError, match=r"nowhere\.py"):
        common.source_digest("nowhere.py")


GATES = {"model.sound": "a" * 64, "data.clean": "b" * 64}


def judge(passed: bool, digest: str = "a" * 64) -> None:
    common.check_result("sound", "model", passed, "because", digest=digest, blocking=True)


def test_a_release_needs_every_verdict_for_the_very_digest(var: Path) -> None:
    judge(True)
    common.check_result("clean", "data", True, "fine", digest="b" * 64, blocking=True)
    assert common.refusals(GATES) == []


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (lambda: None, "model.sound has not judged aaaaaaaaaaaa; materialise model together with its checks"),
        (lambda: judge(True, "c" * 64), "model.sound has not judged aaaaaaaaaaaa"),
        (lambda: judge(False), "model.sound failed: because"),
        (lambda: (judge(True), judge(False)), "model.sound failed: because"),
    ],
)
def test_a_release_is_refused_with_a_reason(prepare: common.Callable[[], object], reason: str) -> None:
    prepare()
    common.check_result("clean", "data", True, "fine", digest="b" * 64, blocking=True)
    refused = common.refusals(GATES)
    assert len(refused) == 1
    assert refused[0].startswith(reason)


def test_a_torn_verdict_does_not_count(var: Path) -> None:
    judge(True)
    path = common.verdict_path("model.sound", "a" * 64)
    path.write_text(path.read_text()[:20])
    assert "has not judged" in common.refusals({"model.sound": "a" * 64})[0]


def test_tables_show_what_is_no_plain_value_as_json() -> None:
    table = common.table_of([{"q": "wind", "gold": {"technology": "Wind"}}, {"q": "hydro", "n": 2}])
    first, second = (record.data for record in table.records)
    assert json.loads(str(first["gold"])) == {"technology": "Wind"}
    assert first["n"] is None
    assert second == {"q": "hydro", "gold": None, "n": 2}
