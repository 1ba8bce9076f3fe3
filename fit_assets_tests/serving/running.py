"""``fit serve`` as a process of its own, for what only a process can show."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fit_assets.settings import PROJECT_ROOT

START_SECONDS = 120.0


@dataclass
class Running:
    """A running service."""

    url: str
    process: subprocess.Popen[bytes]
    output: Path


@contextmanager
def running_service(var: Path, parser: str = "regex", **environment: str) -> Iterator[Running]:
    """``fit serve`` on a free port, with its own var folder; killed at the end of the block."""
    output = var / "serve.out"
    with output.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "fit_assets.cli", "serve", "--parser", parser, "--port", "0"],
            cwd=PROJECT_ROOT,
            env=os.environ | {"FIT_ASSETS_VAR": str(var), "FIT_ASSETS_RATE": "0"} | environment,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not (found := re.search(r"(http://\S+)", output.read_text())):
            assert process.poll() is None, output.read_text()
            assert time.monotonic() < deadline, "fit serve did not start"
            time.sleep(0.05)
        yield Running(found[1], process, output)
    finally:
        process.kill()
        process.wait()
