import io
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fit_assets.packaging import toolchain
from fit_assets.packaging.toolchain import ToolchainError, ensure_toolchain, unpack

INSIDE = "llama_cpp_python-1/vendor/llama.cpp"
SOUND = {
    f"{INSIDE}/convert_hf_to_gguf.py": b"print('converter')",
    f"{INSIDE}/conversion/base.py": b"",
    f"{INSIDE}/gguf-py/gguf/__init__.py": b"",
    f"{INSIDE}/LICENSE": b"MIT",
    f"{INSIDE}/src/llama.cpp": b"not needed",
    "llama_cpp_python-1/setup.py": b"not needed",
}


def sdist(path: Path, files: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FIT_ASSETS_VAR", str(tmp_path))
    monkeypatch.setattr(toolchain, "version", lambda package: "1")
    (tmp_path / "toolchain").mkdir()
    return tmp_path / "toolchain"


def no_pip(*_: Any, **__: Any) -> None:
    raise AssertionError("pip was called")


def test_only_what_the_converter_needs_is_unpacked(tmp_path: Path) -> None:
    unpack(sdist(tmp_path / "x.tar.gz", SOUND), tmp_path / "out")
    files = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert files == {"convert_hf_to_gguf.py", "conversion/base.py", "gguf-py/gguf/__init__.py", "LICENSE"}


def test_a_local_sdist_is_used_once_and_then_the_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", no_pip)
    local = sdist(home / "llama_cpp_python-1.tar.gz", SOUND)
    said: list[str] = []
    folder = ensure_toolchain(said.append)
    assert folder == home / "llama.cpp-1"
    assert len(said) == 1
    local.unlink()
    assert ensure_toolchain(said.append) == folder
    assert len(said) == 1


def test_the_installed_version_decides(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sdist(home / "llama_cpp_python-1.tar.gz", SOUND)
    ensure_toolchain(lambda _: None)
    monkeypatch.setattr(toolchain, "version", lambda package: "2")
    sdist(home / "llama_cpp_python-2.tar.gz", SOUND)
    assert ensure_toolchain(lambda _: None) == home / "llama.cpp-2"


def test_pip_is_asked_for_the_exact_version(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pip(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        assert command[-1] == "llama-cpp-python==1"
        sdist(Path(command[command.index("--dest") + 1]) / "llama_cpp_python-1.tar.gz", SOUND)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", pip)
    assert (ensure_toolchain(lambda _: None) / "convert_hf_to_gguf.py").is_file()
    assert sorted(path.name for path in home.iterdir()) == ["llama.cpp-1"]


def test_offline_says_what_to_do(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 1, "", "ERROR: no matching distribution\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(ToolchainError, match=r"put llama_cpp_python-1.tar.gz into .* no matching distribution"):
        ensure_toolchain(lambda _: None)
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("damage", ["cut", "garbage", "without converter"])
def test_a_bad_sdist_leaves_the_old_folder(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "out"
    unpack(sdist(tmp_path / "good.tar.gz", SOUND), folder)
    bad = sdist(tmp_path / "bad.tar.gz", {f"{INSIDE}/LICENSE": b"MIT" * 2000})
    if damage != "without converter":
        bad.write_bytes(bad.read_bytes()[:60] if damage == "cut" else b"garbage")
    with pytest.raises(ToolchainError, match="remove it"):
        unpack(bad, folder)
    assert toolchain.is_complete(folder)
    assert not (tmp_path / "out.partial").exists()


def test_nothing_lands_outside_the_folder(tmp_path: Path) -> None:
    evil = SOUND | {f"{INSIDE}/conversion/../../../evil.py": b"", "/abs/evil.py": b""}
    unpack(sdist(tmp_path / "evil.tar.gz", evil), tmp_path / "out")
    assert not list(tmp_path.rglob("evil.py"))
