"""What is in ``deploy/`` names only metrics and labels that the service really exports."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from fit_assets.evaluation import thresholds
from fit_assets.parsing.cache import CacheState
from fit_assets.serving.metrics import Metrics
from fit_assets.settings import PROJECT_ROOT

DEPLOY = PROJECT_ROOT / "deploy"
# What Prometheus itself adds to every series.
ADDED_LABELS = {"instance", "job"}


@pytest.fixture(scope="module")
def exported() -> dict[str, set[str]]:
    """Series -> its labels."""
    metrics = Metrics()
    metrics.questions.labels("model", "gguf", "answered").inc()
    metrics.parse_seconds.labels("gguf").observe(0.1)
    metrics.answer_seconds.observe(0.1)
    metrics.http_requests.labels("/ask", "POST", "200").inc()
    metrics.http_seconds.labels("/ask").observe(0.1)
    metrics.watch(
        version=lambda: "v",
        model_up=lambda: True,
        cache=lambda: CacheState("process", 1, 1),
        log_behind=lambda: 0,
        log_copy_up=lambda: True,
    )
    labels: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(metrics.text().decode()):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    return labels


def expressions() -> Iterator[tuple[str, str]]:
    dashboard = json.loads((DEPLOY / "grafana" / "serving.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for rule in alerts().values():
        yield rule["alert"], rule["expr"]


def alerts() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_every_series_and_label_is_exported(where: str, expression: str, exported: dict[str, set[str]]) -> None:
    used = set(re.findall(r"\b(?:fit|process)_[a-z_]+", expression))
    assert used, f"{where}: no series in {expression}"
    assert used <= exported.keys(), f"{where}: {used - exported.keys()} is not exported"
    labels = {label for listed in re.findall(r"by \(([^)]*)\)", expression) for label in re.split(r",\s*", listed)}
    labels |= set(re.findall(r"[{,]\s*([a-z_]+)\s*=", expression))
    known = ADDED_LABELS.union(*(exported[name] for name in used))
    assert labels <= known, f"{where}: {labels - known} is no label there"


def test_the_alerts_have_the_numbers_of_the_thresholds() -> None:
    bounds = {
        "SuccessRateLow": f"[5m])) < {thresholds.ALERT_SUCCESS_RATE:g}",
        "ParsingSlow": f"> {thresholds.ALERT_P99_MS / 1000:g}",
        "ModelErrors": f"> {thresholds.ALERT_MODEL_ERRORS}",
    }
    for name, bound in bounds.items():
        assert alerts()[name]["expr"].endswith(bound)
    assert thresholds.ALERT_SUCCESS_WINDOW.total_seconds() == 300
    assert thresholds.ALERT_MODEL_ERRORS_WINDOW.total_seconds() == 3600


def test_the_dashboard_is_whole() -> None:
    dashboard = json.loads((DEPLOY / "grafana" / "serving.json").read_text())
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    cells = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in dashboard["panels"]
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def test_prometheus_scrapes_the_port_that_fit_serve_has() -> None:
    from fit_assets.cli import serve

    config = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    [job] = config["scrape_configs"]
    port = next(option.default for option in serve.params if option.name == "port")
    assert job["static_configs"][0]["targets"] == [f"127.0.0.1:{port}"]
    assert job["metrics_path"] == "/metrics"
    assert all(Path(DEPLOY / name).exists() for name in config["rule_files"])
