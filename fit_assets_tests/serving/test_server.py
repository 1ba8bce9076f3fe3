from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from click.testing import CliRunner

from fit_assets.cli import main
from fit_assets.serving.query_log import build_query_log, read_log
from fit_assets_tests.serving.running import running_service


def test_a_killed_service_has_lost_no_answer_from_its_log(served_var: Path) -> None:
    """SIGKILL amid questions: whatever was answered is in the log."""
    answered: list[str] = []
    enough = threading.Event()

    with running_service(served_var) as service:

        def ask(number: int) -> None:
            with httpx.Client(base_url=service.url, timeout=60) as http:
                while True:
                    try:
                        reply = http.post("/parse", json={"question": f"wind over {len(answered) + 1}kW near {number}"})
                    except httpx.HTTPError:
                        return
                    answered.append(reply.json()["id"])
                    if len(answered) > 60:
                        enough.set()

        with ThreadPoolExecutor(4) as pool:
            asking = [pool.submit(ask, number) for number in range(4)]
            assert enough.wait(240)
            service.process.kill()
            for one in asking:
                one.result(60)
    logged = {entry["id"] for entry in read_log()}
    assert set(answered) <= logged
    # What was logged and not yet answered when it was killed: one for each that was asking.
    assert len(logged) - len(set(answered)) <= 4
    assert build_query_log() == len(logged)


def test_an_address_in_use_is_one_line(served_var: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(main, ["serve", "--parser", "regex", "--port", str(port)])
    assert result.exit_code == 1
    assert "choose another with --port" in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_a_setting_that_cannot_be_used_is_bad_input(served_var: Path) -> None:
    result = CliRunner().invoke(main, ["serve"], env={"FIT_ASSETS_ROLLOUT_PERCENT": "150"})
    assert result.exit_code == 2
    assert "a number from 0 to 100" in result.output
