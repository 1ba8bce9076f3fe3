"""llama.cpp's own converter, taken from the sdist of the very ``llama-cpp-python`` that is installed.

The wheel holds the runtime alone; the sdist of the same version also holds ``convert_hf_to_gguf.py`` with its
``conversion`` and ``gguf-py`` packages, so converter and runtime cannot drift apart.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath

from fit_assets import artifacts, settings
from fit_assets.packaging import PackagingError

PACKAGE = "llama-cpp-python"
CONVERTER = "convert_hf_to_gguf.py"
_NEEDED = (CONVERTER, "conversion", "gguf-py", "LICENSE")
_INSIDE_SDIST = ("vendor", "llama.cpp")
_DOWNLOAD_SECONDS = 900


class ToolchainError(PackagingError):
    """The converter cannot be had; the message says what to do."""


def converter(say: Callable[[str], None] = print) -> Path:
    """Path of ``convert_hf_to_gguf.py`` for the installed llama-cpp-python."""
    return ensure_toolchain(say) / CONVERTER


def ensure_toolchain(say: Callable[[str], None] = print) -> Path:
    """Folder with the converter of the installed version; unpacked once, found again afterwards.

    Args:
        say: takes one line of progress at a time.

    Raises:
        ToolchainError: not there and not to be had, for example offline.
    """
    installed = installed_version()
    folder = settings.toolchain_dir() / f"llama.cpp-{installed}"
    if is_complete(folder):
        return folder
    settings.toolchain_dir().mkdir(parents=True, exist_ok=True)
    name = f"llama_cpp_python-{installed}.tar.gz"
    local = settings.toolchain_dir() / name
    if local.is_file():
        say(f"unpacking llama.cpp's converter from {local}")
        unpack(local, folder)
        return folder
    with tempfile.TemporaryDirectory(dir=settings.toolchain_dir()) as scratch:
        say(f"downloading the sdist of {PACKAGE} {installed} for llama.cpp's converter (about 77 MB, once)")
        _download(installed, Path(scratch))
        unpack(Path(scratch) / name, folder)
    return folder


def is_complete(folder: Path) -> bool:
    """Whether the folder holds a whole toolchain."""
    return all((folder / part).exists() for part in _NEEDED)


def installed_version() -> str:
    """The version of llama-cpp-python in this environment."""
    try:
        return version(PACKAGE)
    except PackageNotFoundError as error:
        raise ToolchainError(f"{PACKAGE} is not installed; run: pip install {PACKAGE}") from error


def unpack(sdist: Path, folder: Path) -> None:
    """Take the converter's files out of the sdist; nothing else is read and nothing can land outside.

    Raises:
        ToolchainError: the archive is damaged or lacks the converter; an older folder stays as it was.
    """
    try:
        with artifacts.replacing(folder) as aside, tarfile.open(sdist, "r:gz") as archive:
            for member in archive:
                parts = PurePosixPath(member.name).parts[1:]
                inner = parts[len(_INSIDE_SDIST) :]
                if parts[: len(_INSIDE_SDIST)] != _INSIDE_SDIST or not inner or inner[0] not in _NEEDED:
                    continue
                content = archive.extractfile(member) if member.isfile() and ".." not in inner else None
                if content is not None:
                    target = aside.joinpath(*inner)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with target.open("wb") as file:
                        shutil.copyfileobj(content, file)
            missing = [part for part in _NEEDED if not (aside / part).exists()]
            if missing:
                raise ToolchainError(f"{sdist}: holds no {', '.join(missing)}; remove it, so that it is fetched again")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ToolchainError(f"{sdist}: cannot be unpacked ({error}); remove it and run again") from error


def _download(installed: str, folder: Path) -> None:
    # pip also prepares the sdist's metadata (13 s altogether on 2 cores); it offers no way to fetch a file alone.
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-binary", PACKAGE, "--dest", str(folder), f"{PACKAGE}=={installed}"]
    mend = (
        f"connect to a package index, or put llama_cpp_python-{installed}.tar.gz into {settings.toolchain_dir()} "
        "and run again"
    )
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise ToolchainError(f"pip took over {_DOWNLOAD_SECONDS} s for {PACKAGE} {installed}; {mend}") from error
    if done.returncode or not (folder / f"llama_cpp_python-{installed}.tar.gz").is_file():
        last = "\n".join(done.stderr.strip().splitlines()[-3:])
        raise ToolchainError(f"the sdist of {PACKAGE} {installed} cannot be downloaded; {mend}. pip said: {last}")
