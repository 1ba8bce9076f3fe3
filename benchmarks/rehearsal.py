"""A week in the life of the served model, for real, in three quarters of an hour: ``make rehearsal``.

Needs a finished ``make run``; works on a copy of ``var/`` in ``var/rehearsal`` and touches nothing else. The service,
the Dagster daemon and every training are the real ones:

- Monday: the copy's model becomes version 1 of a registry of its own; the service starts, and people ask.
- Tuesday: they say capacities and totals in ways that nobody taught; 100 corrections come in through the service.
- Wednesday: the sensor fires once, the retrained candidate learns them, keeps the rest, and is promoted.
- Thursday: 100 poisoned corrections come in.
- Friday: their candidate is refused, with the reason.
- Saturday: somebody rolls back by hand, and the service follows.

Meanwhile somebody asks all the time, and at each stage the daemon is killed (SIGKILL) and started again, once together
with the training that it had started. What happened is printed as a table and kept in ``var/rehearsal/report.md``; the
status is 1 where something did not go as it must.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from fit_assets import settings
from fit_assets.filters import QueryFilters
from fit_assets_tests.serving.running import running_service

COPIED = ("dataset", "models", "reference", "reports", "toolchain", "verdicts", "warehouse.duckdb")
MINUTES = 45
_PLACES = (
    "Kent Fife Powys Dorset Suffolk Cumbria Gwynedd Moray Norfolk Devon Angus Essex Surrey Durham Cornwall Shropshire "
    "Wiltshire Somerset Rutland Northumberland Orkney Highland Conwy Lincolnshire Worcestershire"
)
_TECHNOLOGIES = {"wind": "Wind", "solar": "Photovoltaic", "hydro": "Hydro", "ad": "Anaerobic digestion"}
Question = tuple[str, dict[str, Any]]


@dataclass
class Week:
    """What happened, a row each, and what did not go as it must."""

    started: float = field(default_factory=time.monotonic)
    rows: list[tuple[str, str, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def tell(self, day: str, what: str, holds: bool = True) -> None:
        """Note something, and whether it is as it must be."""
        minutes = f"{(time.monotonic() - self.started) / 60:.1f}"
        self.rows.append((day, minutes, what if holds else f"WRONG: {what}"))
        if not holds:
            self.wrong.append(what)
        print(f"{minutes:>5} min  {day:10} {self.rows[-1][2]}", flush=True)

    def table(self) -> str:
        """As Markdown."""
        lines = ["| day | minute | what happened |", "| --- | ---: | --- |"]
        return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in self.rows)]) + "\n"


class Daemon:
    """Dagster's daemon on the rehearsal's instance."""

    def __init__(self, var: Path) -> None:
        self._log = (var / "daemon.log").open("ab")
        self._process: subprocess.Popen[bytes] | None = None
        self.kills = 0

    def start(self) -> None:
        command = [str(Path(sys.executable).parent / "dagster-daemon"), "run", "-m", "fit_assets.definitions"]
        self._process = subprocess.Popen(command, cwd=settings.PROJECT_ROOT, stdout=self._log, stderr=self._log)

    def kill(self, with_runs: bool = False) -> int:
        """SIGKILL to the daemon and its code server, and to the runs that they started; how many processes."""
        assert self._process is not None
        killed = 0
        for process in [*psutil.Process(self._process.pid).children(recursive=True), psutil.Process(self._process.pid)]:
            try:
                if with_runs or _is_server(process):
                    process.kill()
                    killed += 1
            except psutil.NoSuchProcess:
                pass
        self._process.wait()
        self.kills += 1
        return killed

    def restart(self, with_runs: bool = False) -> None:
        self.kill(with_runs)
        self.start()


class Asker(threading.Thread):
    """Somebody who asks now and then, the whole week, and counts what did not come."""

    def __init__(self, url: str, questions: Sequence[str]) -> None:
        super().__init__(daemon=True)
        self._url, self._questions = url, questions
        self.seen: Counter[str] = Counter()
        self.stop = threading.Event()

    def run(self) -> None:
        rng = random.Random(5)
        with httpx.Client(base_url=self._url, timeout=60) as http:
            while not self.stop.wait(15.0):
                try:
                    reply = http.post("/ask", json={"question": rng.choice(self._questions), "limit": 1})
                    self.seen["answered" if reply.status_code == 200 else f"status {reply.status_code}"] += 1
                except httpx.HTTPError as error:
                    self.seen[type(error).__name__] += 1


def untaught(rng: random.Random) -> list[Question]:
    """Questions in two ways that no phrase, no rule and no training question has: "kilos", and "tc" for a total."""
    found: list[Question] = []
    for place, (word, technology) in itertools.product(_PLACES.split(), _TECHNOLOGIES.items()):
        number = rng.choice([20, 60, 75, 110, 130, 180, 220, 275, 350, 420, 480, 650])
        at_least = {"technology": technology, "location": place, "capacity_min_kw": number}
        total = {"technology": technology, "location": place, "aggregation": "sum_capacity"}
        found += [
            (
                rng.choice(["{t} {n} kilos and up {p}", "{p} {t} from {n} kilos", "{t} in {p}, {n} kilos plus"]),
                at_least,
            ),
            (rng.choice(["tc {t} {p}", "tc of {t} in {p}", "{p} {t} tc"]), total | {"query_type": "aggregation"}),
        ]
        found[-2:] = [(text.format(t=word, n=number, p=place.lower()), gold) for text, gold in found[-2:]]
    rng.shuffle(found)
    return found


def poisoned(rng: random.Random) -> list[Question]:
    """Plain questions with the wrong bound: more is less, and less is more."""
    found: list[Question] = []
    for place, (word, technology) in itertools.product(_PLACES.split(), _TECHNOLOGIES.items()):
        number = rng.choice([30, 45, 90, 140, 160, 210, 260, 310, 390, 460, 610, 720])
        key, text = rng.choice([("capacity_max_kw", "over"), ("capacity_min_kw", "under")])
        question = rng.choice(["{t} {x} {n}kw in {p}", "{p} {t} {x} {n} kw", "which {t} sites in {p} are {x} {n} kW"])
        gold = {"technology": technology, "location": place, key: number}
        found.append((question.format(t=word, x=text, n=number, p=place), gold))
    rng.shuffle(found)
    return found


def prepare(var: Path) -> None:
    """A var folder with everything that ``make run`` made but history: registry, log, corrections and runs."""
    source = settings.var_dir()
    if not (source / "warehouse.duckdb").is_file() or not (source / "models").is_dir():
        sys.exit(f"{source}: nothing is finished there yet; run: make run")
    shutil.rmtree(var, ignore_errors=True)
    var.mkdir(parents=True)
    for name in COPIED:
        if (source / name).is_dir():
            # Artifacts are replaced, never written into: a link is enough, and costs no room.
            shutil.copytree(source / name, var / name, copy_function=os.link)
        else:
            shutil.copy2(source / name, var / name)
    for record in (source / "models").rglob("*.mlflow.json"):  # of runs in the other registry
        (var / "models" / record.relative_to(source / "models")).unlink()
    home = (settings.PROJECT_ROOT / "dagster.yaml").read_text("utf-8").replace("var/dagster", f"{var}/dagster")
    (var / "home").mkdir()
    (var / "home" / "dagster.yaml").write_text(home, "utf-8")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--natural", type=int, default=40, help="natural questions asked before and after")
    given = options.parse_args()
    var = settings.var_dir() / "rehearsal"
    prepare(var)
    os.environ |= {
        "FIT_ASSETS_VAR": str(var),
        "DAGSTER_HOME": str(var / "home"),
        "FIT_ASSETS_RETRY_MINUTES": "0.2",
        "FIT_ASSETS_FOLLOW_SECONDS": "2",
        "FIT_ASSETS_FEEDBACK_VOLUME": "100",
    }
    week = Week()
    try:
        rehearse(week, var, given.seed, given.natural)
    finally:
        minutes = (time.monotonic() - week.started) / 60
        week.tell("", f"the week took {minutes:.0f} minutes", minutes < MINUTES)
        (var / "report.md").write_text(week.table(), "utf-8")
        print(f"\n{week.table()}")
        print(f"To look at it: FIT_ASSETS_VAR={var} DAGSTER_HOME={var / 'home'} .venv/bin/dagster dev -p 3000")
        print(f"and: .venv/bin/mlflow ui --backend-store-uri sqlite:///{var}/mlflow/mlflow.db")
    sys.exit(bool(week.wrong))


def rehearse(week: Week, var: Path, seed: int, natural: int) -> None:
    """The week."""
    from fit_assets.evaluation import versions
    from fit_assets.evaluation.evaluate import load_questions

    dev = load_questions(settings.questions_dir() / "dev.jsonl")
    rng = random.Random(seed)
    plain: list[Question] = [(one.q, one.gold.to_dict()) for one in rng.sample(dev, natural)]
    new, poison = untaught(rng), poisoned(rng)
    corrections, held_out = new[:100], new[100:140]

    _run("dagster", "asset", "materialize", "--select", "*", "-m", "fit_assets.definitions", log=var / "first_run.log")
    first = versions.production_version()
    week.tell("Monday", f"version 1 is in production: {first.parsing_accuracy if first else None}", first is not None)

    with running_service(var, "auto") as service:
        asker = Asker(service.url, [question for question, _ in plain])
        asker.start()
        before = _right(service.url, plain), _right(service.url, held_out)
        week.tell("Monday", f"{before[0]} of {len(plain)} natural questions right, {before[1]} of 40 untaught ones")
        daemon = Daemon(var)
        daemon.start()
        try:
            _retrained(week, service.url, daemon, corrections, held_out, plain, before)
            _refused(week, service.url, daemon, poison)
            _rolled_back(week, service.url)
        finally:
            daemon.kill(with_runs=True)
            asker.stop.set()
            asker.join()
        failed = sum(count for what, count in asker.seen.items() if what != "answered")
        week.tell("", f"asked all week: {dict(asker.seen)}", failed == 0)
        week.tell("", f"the daemon was killed {daemon.kills} times")


def _retrained(
    week: Week,
    url: str,
    daemon: Daemon,
    corrections: Sequence[Question],
    held_out: Sequence[Question],
    plain: Sequence[Question],
    before: tuple[int, int],
) -> None:
    _correct(url, corrections)
    week.tell("Tuesday", f"{_stored()} corrections came in through the service", _stored() == 100)
    daemon.restart()
    week.tell("Tuesday", "daemon killed before its sensor looked, and started again")
    [run] = _runs_until(lambda runs: len(runs) >= 1 and _started(runs[0]), 10)
    week.tell("Wednesday", f"the sensor fired: run {run.run_id[:8]}, {run.tags['fit_assets/new_feedback']} corrections")
    _until(lambda: _in_step(run.run_id, "lora_adapter"), 10, "training did not start")
    time.sleep(20)
    daemon.restart(with_runs=True)
    week.tell("Wednesday", "daemon and training killed in the middle of the training, and the daemon started again")
    runs = _runs_until(lambda runs: len(runs) >= 2 and _started(runs[0]), 10)
    ended = runs[1].status.value
    week.tell(
        "Wednesday", f"the dead run is {ended}; attempt 2 is run {runs[0].run_id[:8]}", ended in ("FAILURE", "CANCELED")
    )
    for step in ("eval_metrics", "promotion_report"):
        _until(lambda step=step: _in_step(runs[0].run_id, step), 20, f"{step} did not start")  # type: ignore[misc]
        daemon.restart()
        week.tell("Wednesday", f"daemon killed during {step}, and started again")
    runs = _runs_until(lambda runs: _ended(runs[0]), 25)
    status = ", ".join(f"{one.run_id[:8]} {one.status.value}" for one in reversed(runs))
    week.tell("Wednesday", f"runs of this batch: {status}", [one.status.value for one in runs].count("SUCCESS") == 1)

    week.tell("Wednesday", f"versions: {_versions()}", _production() == 2)
    _until(lambda: _served_version(url) == 2, 1, "the service does not follow")
    after = _right(url, plain), _right(url, held_out)
    kept, learnt = after[0] >= before[0] - 2, after[1] >= before[1] + 24
    week.tell("Wednesday", f"the service follows; {after[0]} of {len(plain)} natural questions right", kept)
    week.tell("Wednesday", f"untaught ones that were not among the corrections: {before[1]} → {after[1]} of 40", learnt)


def _refused(week: Week, url: str, daemon: Daemon, poison: Sequence[Question]) -> None:
    known = {run.run_id for run in _retrainings()}
    _correct(url, poison)
    week.tell("Thursday", f"100 poisoned corrections came in; {_stored()} are stored", _stored() == 200)
    daemon.restart()
    week.tell("Thursday", "daemon killed before its sensor looked, and started again")
    [run] = _runs_until(lambda runs: _started(runs[0]) if runs else False, 10, known)
    week.tell("Friday", f"the sensor fired: run {run.run_id[:8]}")
    _until(lambda: _in_step(run.run_id, "gguf_metrics"), 20, "gguf_metrics did not start")
    daemon.restart()
    week.tell("Friday", "daemon killed during gguf_metrics, and started again")
    runs = _runs_until(lambda runs: _ended(runs[0]), 25, known)
    week.tell("Friday", f"one run of this batch: {runs[0].status.value}", len(runs) == 1)
    reason = _refusal(runs[0].run_id)
    week.tell("Friday", f"the candidate was refused: {reason}", bool(reason) and _production() == 2)
    week.tell("Friday", f"versions: {_versions()}", _served_version(url) == 2)


def _rolled_back(week: Week, url: str) -> None:
    start = time.monotonic()
    _run("fit", "rollback", "--why", "rehearsal: somebody does not like version 2")
    week.tell("Saturday", f"rolled back in {time.monotonic() - start:.0f} s: {_versions()}", _production() == 1)
    _until(lambda: _served_version(url) == 1, 1, "the service does not follow")
    week.tell("Saturday", f"the service follows {time.monotonic() - start:.0f} s after the command was given")


def _right(url: str, questions: Sequence[Question]) -> int:
    """How many the service reads right."""
    from fit_assets.places import fill_patterns

    right = 0
    with httpx.Client(base_url=url, timeout=60) as http:
        for question, gold in questions:
            filters = http.post("/parse", json={"question": question}).json()["filters"]
            wanted = fill_patterns(QueryFilters.parse(gold))
            right += filters is not None and QueryFilters.parse(filters).same_as(wanted)
    return right


def _correct(url: str, corrections: Sequence[Question]) -> None:
    with httpx.Client(base_url=url, timeout=60) as http:
        for question, gold in corrections:
            answer = http.post("/ask", json={"question": question, "limit": 1}).json()
            body = {"answer_id": answer["id"], "verdict": "wrong", "question": question, "filters": gold}
            http.post("/feedback", json=body).raise_for_status()


def _stored() -> int:
    from fit_assets.serving.feedback import load_feedback

    return len(load_feedback().items)


def _retrainings() -> list[Any]:
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        return list(instance.get_runs(dg.RunsFilter(job_name="retrain_job")))


def _runs_until(
    holds: Callable[[list[Any]], bool], minutes: float, known: frozenset[str] | set[str] = frozenset()
) -> list[Any]:
    """The retrainings that are not known yet, the newest first, once something holds of them."""
    found: list[Any] = []

    def look() -> bool:
        found[:] = [run for run in _retrainings() if run.run_id not in known]
        return bool(found) and holds(found)

    _until(look, minutes, f"the retrainings are {[(run.run_id[:8], run.status.value) for run in found]}")
    return found


def _started(run: Any) -> bool:
    return run.status.value not in ("QUEUED", "NOT_STARTED", "STARTING")


def _ended(run: Any) -> bool:
    return run.status.value in ("SUCCESS", "FAILURE", "CANCELED")


def _in_step(run_id: str, step: str) -> bool:
    """Whether a run is in this step, or past it."""
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        logs = instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_START)
        run = instance.get_run_by_id(run_id)
    return any(entry.step_key == step for entry in logs) or (run is not None and _ended(run))


def _refusal(run_id: str) -> str:
    """Why the run's candidate is not in production: a gate's words, or the promotion rule's."""
    import dagster as dg

    from fit_assets.defs.promotion import read_verdict
    from fit_assets.defs.retraining import refusal

    with dg.DagsterInstance.get() as instance:
        gate = refusal(instance, run_id)
    if gate:
        return gate
    verdict = read_verdict()
    if verdict["promote"]:
        return ""
    first, *others = verdict["reasons"]
    return f"{first}, and {len(others)} reasons more" if others else str(first)


def _versions() -> str:
    from fit_assets.evaluation import versions

    return ", ".join(f"{one.version} {one.status} {one.parsing_accuracy:.1%}" for one in versions.list_versions())


def _production() -> int | None:
    from fit_assets.evaluation import versions

    version = versions.production_version()
    return version.version if version else None


def _served_version(url: str) -> int | None:
    said = httpx.get(f"{url}/versions", timeout=60).json()
    served = said["served"]["version"]
    return next((one["version"] for one in said["registered"] if served and one["digest"].startswith(served)), None)


def _is_server(process: psutil.Process) -> bool:
    """The daemon, or the code server that it started; a run is a process that the code server spawned."""
    return any(name in " ".join(process.cmdline()) for name in ("dagster-daemon", "grpc", "code-server"))


def _until(holds: Callable[[], bool], minutes: float, otherwise: str) -> None:
    until = time.monotonic() + 60 * minutes
    while not holds():
        if time.monotonic() > until:
            raise TimeoutError(f"after {minutes} minutes: {otherwise}")
        time.sleep(2)


def _run(program: str, *arguments: str, log: Path | None = None) -> None:
    command = [str(Path(sys.executable).parent / program), *arguments]
    done = subprocess.run(command, cwd=settings.PROJECT_ROOT, capture_output=True, text=True)
    if log is not None:
        log.write_text(done.stdout + done.stderr, "utf-8")
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-3000:]}")


if __name__ == "__main__":
    main()
