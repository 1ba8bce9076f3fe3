import errno
import shutil
from pathlib import Path

import pytest

from fit_assets import artifacts


@pytest.fixture(params=["file", "folder"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    target = tmp_path / "artifact"
    write(target, request.param == "folder", "last good")
    return target


def write(target: Path, folder: bool, text: str) -> None:
    if folder:
        target.mkdir()
    (target / "part" if folder else target).write_text(text)


def fail_halfway(target: Path, error: BaseException) -> None:
    with artifacts.replacing(target) as aside:
        write(aside, target.is_dir(), "half")
        raise error


def read(target: Path) -> str:
    return (target / "part" if target.is_dir() else target).read_text()


def test_the_new_takes_the_place_of_the_old_when_it_is_whole(old: Path) -> None:
    with artifacts.replacing(old) as aside:
        write(aside, old.is_dir(), "new")
        assert read(old) == "last good"
    assert read(old) == "new"
    assert [path.name for path in old.parent.iterdir()] == ["artifact"]


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt()])
def test_an_error_leaves_the_old_and_is_itself(old: Path, error: BaseException) -> None:
    with pytest.raises(type(error)) as raised:
        fail_halfway(old, error)
    assert raised.value is error
    assert read(old) == "last good"
    assert [path.name for path in old.parent.iterdir()] == ["artifact"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_named_with_the_place(old: Path, error: Exception) -> None:
    with pytest.raises(artifacts.DiskFullError, match=rf"^the disk is full: {old} cannot be written") as raised:
        fail_halfway(old, error)
    assert raised.value.__cause__ is error
    assert read(old) == "last good"
    assert [path.name for path in old.parent.iterdir()] == ["artifact"]


def test_a_disk_without_room_is_seen_even_where_the_error_does_not_say_so(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.disk_usage(old)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: real._replace(free=0))
    with pytest.raises(artifacts.DiskFullError, match="0 MiB free there; it said: unexpected pos"):
        fail_halfway(old, RuntimeError("unexpected pos 576 vs 534"))


def test_a_device_that_is_really_full(tmp_path: Path) -> None:
    def fill() -> None:
        with artifacts.replacing(target) as aside:
            aside.symlink_to("/dev/full")
            aside.write_text("x")

    target = tmp_path / "new" / "artifact"
    with pytest.raises(artifacts.DiskFullError, match="new/artifact"):
        fill()
    assert not list(target.parent.iterdir())
    assert Path("/dev/full").exists()


def test_finished_work_is_known_by_its_inputs_and_unharmed_content(old: Path) -> None:
    assert artifacts.finished(old, {"a": 1}) is None
    record = artifacts.write_record(old, {"a": 1}, {"fact": 2})
    assert artifacts.finished(old, {"a": 1}) == record
    assert artifacts.finished(old, {"a": 2}) is None
    (old / "part" if old.is_dir() else old).write_text("harmed")
    assert artifacts.finished(old, {"a": 1}) is None
    artifacts.record_path(old).write_text("{torn")
    assert artifacts.read_record(old) is None
