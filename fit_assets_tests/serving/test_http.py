from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from fit_assets.filters import json_schema
from fit_assets.serving import limits
from fit_assets.serving.feedback import load_feedback
from fit_assets.serving.limits import Limits, RateLimit
from fit_assets.serving.metrics import Metrics
from fit_assets.serving.query_log import read_log
from fit_assets_tests.serving.conftest import ModelDouble

Clients = Callable[..., TestClient]

BERKSHIRE = "wind sites over 100kw in berkshire"
FILTERS = {"capacity_min_kw": 100, "location": "Berkshire", "postcode_patterns": ["RG", "SL"], "technology": "Wind"}


def metric(client: TestClient, start: str) -> float:
    lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith(start)]
    assert lines, f"no metric {start}"
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def test_a_question_becomes_filters_rows_and_a_log_line(client: Clients, model: ModelDouble) -> None:
    answer = client(model).post("/ask", json={"question": f"  {BERKSHIRE} "}).json()
    assert answer["filters"] == FILTERS
    assert [row["fit_id"] for row in answer["rows"]] == ["4004"]
    assert (answer["total"], answer["parser"], answer["arm"], answer["version"]) == (1, "gguf", "model", "5f1d7e84a90b")
    assert "1 installation" in answer["sentence"]
    [logged] = read_log()
    assert (logged["id"], logged["question"], logged["filters"]) == (answer["id"], BERKSHIRE, FILTERS)
    assert (logged["rows"], logged["outcome"], logged["arm"]) == (1, "answered", "model")
    assert logged["version"] == answer["version"]


def test_parsing_alone_reads_no_rows(client: Clients, model: ModelDouble) -> None:
    service = client(model)
    answer = service.post("/parse", json={"question": BERKSHIRE}).json()
    assert (answer["filters"], answer["confidence"], answer["cached"]) == (FILTERS, 0.9, False)
    assert "rows" not in answer
    again = service.post("/parse", json={"question": BERKSHIRE.upper()}).json()
    assert again["cached"]
    assert again["id"] != answer["id"]
    assert metric(service, 'fit_cache_lookups_total{result="hit"}') == 1


def test_given_filters_are_used_as_they_are(client: Clients) -> None:
    service = client()
    answer = service.post("/ask", json={"question": "wind", "filters": {"location": "Devon"}}).json()
    assert answer["parser"] == "given"
    assert answer["filters"]["postcode_patterns"]
    assert {row["fit_id"] for row in answer["rows"]} == {"7001", "7002"}
    assert service.post("/ask", json={"filters": {}, "limit": 1}).json()["total"] == 4


def test_charts_and_sql_come_when_they_are_asked_for(client: Clients) -> None:
    service = client()
    answer = service.post("/ask", json={"filters": {}, "charts": True, "explain": True, "limit": 0}).json()
    assert answer["rows"] == []
    assert answer["chart"]["by"] == "region"
    assert answer["chart"]["bars"][0] == ["South West", 2]
    assert {dot[0] for dot in answer["dots"]} == {"RG17", "YO17", "EX20", "TQ9"}
    assert "SELECT" in answer["sql"]
    figures = service.post("/ask", json={"question": "how many sites per technology", "charts": True}).json()
    assert figures["chart"] == {
        "by": "technology",
        "figure": "installations",
        "bars": [["Wind", 2], ["Hydro", 1], ["Photovoltaic", 1]],
        "left_out": 0,
    }


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/ask", {"question": " "}, "give a question, or filters"),
        ("/ask", {"question": "x" * 401}, "at most 400"),
        ("/ask", {"filters": {"technology": "Coal"}}, "technology"),
        ("/ask", {"filters": {"technology": None}}, "null is not allowed"),
        ("/ask", {"question": "wind", "limit": 5000}, "limit"),
        ("/ask", {"question": "wind", "sql": "DROP TABLE installations"}, "sql"),
        ("/ask", {"question": 7}, "question"),
        ("/parse", {"question": ""}, "question"),
        ("/parse", ["wind"], "dictionary"),
        ("/feedback", {"answer_id": "x"}, "verdict"),
        ("/feedback", {"verdict": "maybe"}, "verdict"),
        ("/feedback", {"filters": {"technology": "Wind"}}, "need the question"),
        ("/feedback", {"question": "x", "filters": {"technology": "Coal"}}, "technology"),
        ("/feedback", {"question": "x", "filters": {}, "verdict": "right"}, "leave one of them out"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_mend(client: Clients, path: str, body: Any, said: str) -> None:
    refusal = client().post(path, json=body)
    assert refusal.status_code == 422
    assert said in refusal.json()["detail"]
    assert load_feedback().items == ()


def test_odd_bodies(client: Clients) -> None:
    service = client()
    headers = {"Content-Type": "application/json"}
    for body in (b"", b"{", b"\xff\xfe", b'{"question": "\\ud800"}', b'{"limit": 1e999, "question": "x"}', b"[" * 5000):
        assert service.post("/ask", content=body, headers=headers).status_code in (200, 400, 422)
    # A form on some web page can send this without asking the browser's leave.
    assert service.post("/ask", content='{"question":"x"}', headers={"Content-Type": "text/plain"}).status_code == 422
    assert service.get("/ask").status_code == 405
    assert service.get("/nothing").status_code == 404


@pytest.mark.parametrize("failure", ["wind fail", "wind die", "wind hang"])
def test_the_rules_answer_whatever_the_model_does(client: Clients, model: ModelDouble, failure: str) -> None:
    service = client(model, seconds=0.2)
    answer = service.post("/ask", json={"question": failure}).json()
    assert (answer["parser"], answer["arm"], answer["total"]) == ("regex", "model", 2)
    assert any("answered by regex" in note for note in answer["notes"])
    assert read_log()[0]["model_error"] is True
    assert metric(service, "fit_model_errors_total") == 1


def test_readiness_tells_a_dead_model_and_its_return(client: Clients, model: ModelDouble) -> None:
    service = client(model)
    assert service.get("/readyz").json()["status"] == "ready"
    service.post("/parse", json={"question": "die"})
    state = service.get("/readyz")
    assert (state.status_code, state.json()["status"]) == (200, "degraded")
    assert "thread ended" in state.json()["model"]["detail"]
    assert metric(service, "fit_model_up") == 0
    assert model.supervised is not None
    model.supervised.rest = 0.0
    assert service.post("/parse", json={"question": "wind"}).json()["parser"] == "gguf"
    assert service.get("/readyz").json()["status"] == "ready"


def test_a_model_that_fails_every_question_is_down_until_it_answers_one(client: Clients, model: ModelDouble) -> None:
    service = client(model)
    for number in range(3):
        assert service.get("/readyz").json()["model"]["state"] == "ok"
        service.post("/parse", json={"question": f"wind fail {number}"})
    state = service.get("/readyz").json()["model"]
    assert (state["state"], "not valid JSON" in state["detail"]) == ("down", True)
    service.post("/parse", json={"question": "wind"})
    assert service.get("/readyz").json()["model"]["state"] == "ok"


def test_without_a_warehouse_it_is_not_ready_and_says_what_to_do(client: Clients, served_var: Path) -> None:
    service = client()
    (served_var / "warehouse.duckdb").unlink()
    assert service.get("/readyz").status_code == 503
    refusal = service.post("/ask", json={"question": "wind"})
    assert refusal.status_code == 503
    assert "make run" in refusal.json()["detail"]
    assert refusal.json()["filters"] == {"technology": "Wind"}
    assert read_log()[0]["outcome"] == "execution_error"
    assert service.get("/healthz").json() == {"status": "ok"}


def test_a_log_that_cannot_be_written_costs_no_answer_and_shows(client: Clients, served_var: Path) -> None:
    (served_var / "query_log").write_text("a file where the folder should be")
    service = client()
    assert service.post("/ask", json={"question": "wind"}).status_code == 200
    assert service.get("/readyz").json()["log"]["state"] == "down"
    assert metric(service, 'fit_log_lines_total{result="lost"}') == 1


def test_the_rollout_decides_who_asks_the_model(
    client: Clients, model: ModelDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIT_ASSETS_ROLLOUT_PERCENT", "50")
    service = client(model)

    def arms() -> list[str]:
        headers = [{"X-User-Id": f"user-{number}"} for number in range(40)]
        return [service.post("/parse", json={"question": "wind"}, headers=one).json()["arm"] for one in headers]

    first = arms()
    assert 8 < first.count("model") < 32
    assert arms() == first
    assert {(entry["arm"], entry["parser"]) for entry in read_log()} == {("model", "gguf"), ("rules", "regex")}


def test_feedback_is_kept_for_training_and_beside_the_question(client: Clients, served_var: Path) -> None:
    service = client()
    answer_id = service.post("/ask", json={"question": "wind in berks"}).json()["id"]
    correction = {"technology": "Wind", "location": "Berkshire"}
    said = {"answer_id": answer_id, "question": "wind in berks", "filters": correction, "note": "berks"}
    assert service.post("/feedback", json=said).json() == {"kept": True, "correction": True}
    [item] = load_feedback().items
    assert (item.question, item.origin, item.user_note) == ("wind in berks", "http", "berks")
    assert item.filters.postcode_patterns == ["RG", "SL"]
    service.post("/feedback", json={"answer_id": answer_id, "helpful": False})
    service.post("/feedback", json={"answer_id": answer_id, "verdict": "right"})
    [file] = (served_var / "reactions").glob("*.jsonl")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(line["answer_id"] == answer_id, line["verdict"], line["helpful"]) for line in lines] == [
        (True, "wrong", None),
        (True, None, False),
        (True, "right", None),
    ]
    assert metric(service, 'fit_reactions_total{verdict="wrong"}') == 1


def test_keys_are_asked_for_where_they_are_set(client: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIT_ASSETS_API_KEYS", "secret-1, secret-2")
    service = client()
    body = {"question": "wind"}
    for headers in ({}, {"X-API-Key": "secret"}, {"Authorization": "Basic secret-1"}, {"X-API-Key": "sécret-1"}):
        refusal = service.post("/ask", json=body, headers={k: v.encode() for k, v in headers.items()})
        assert (refusal.status_code, "API key" in refusal.json()["detail"]) == (401, True)
    assert service.post("/ask", json=body, headers={"X-API-Key": "secret-2"}).status_code == 200
    assert service.post("/ask", json=body, headers={"Authorization": "Bearer secret-1"}).status_code == 200
    for path in ("/", "/healthz", "/readyz", "/metrics", "/openapi.json"):
        assert service.get(path).status_code == 200
    assert service.get("/versions").status_code == 401
    assert len(read_log()) == 2


def test_a_client_that_asks_too_much_waits(client: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIT_ASSETS_RATE", "0.5")
    service = client()
    assert service.post("/parse", json={"question": "wind"}).status_code == 200
    # Another name for oneself does not help.
    refusal = service.post("/parse", json={"question": "wind"}, headers={"X-User-Id": "somebody else"})
    assert refusal.status_code == 429
    assert int(refusal.headers["Retry-After"]) >= 1
    assert service.get("/healthz").status_code == 200
    assert metric(service, 'fit_http_refused_total{reason="rate"}') == 1


def test_a_bucket_refills_and_clients_do_not_share_it() -> None:
    bucket = RateLimit(2)
    assert [bucket.wait("a", now=0.0) for _ in range(5)] == [0, 0, 0, 0, 0.5]
    assert bucket.wait("b", now=0.0) == 0
    assert bucket.wait("a", now=0.5) == 0
    assert bucket.wait("a", now=0.5) == 0.5


def test_what_is_too_large_is_refused_whether_or_not_it_says_so(client: Clients) -> None:
    service = client()
    body = json.dumps({"question": "wind", "filters": {"location": "x" * 20_000}}).encode()
    headers = {"Content-Type": "application/json"}
    assert service.post("/ask", content=body, headers=headers).status_code == 413
    assert service.post("/ask", content=iter([body[:9000], body[9000:]]), headers=headers).status_code == 413
    assert metric(service, 'fit_http_refused_total{reason="size"}') == 2


def test_no_more_are_worked_on_than_may_be(
    client: Clients, model: ModelDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIT_ASSETS_CONCURRENCY", "1")
    service = client(model)
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(service.post, "/parse", json={"question": "wind hang"})
        for _ in range(100):
            if metric(service, "fit_http_in_flight") == 1:
                break
            time.sleep(0.02)
        refusal = service.post("/parse", json={"question": "wind"})
        assert (refusal.status_code, refusal.headers["Retry-After"]) == (503, "1")
        assert service.get("/healthz").status_code == 200
        model.go_on.set()
        assert hanging.result().status_code == 200
    assert service.post("/parse", json={"question": "wind"}).status_code == 200


def test_who_sends_a_body_too_slowly_is_sent_away_and_holds_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.05)
    guard = Limits(
        lambda *_: pytest.fail("it must not be worked on"),  # type: ignore[arg-type]
        Metrics(),
        guarded={"/ask"},
        known={"/ask"},
        keys=frozenset(),
        rate=0,
        concurrency=1,
    )
    sent: list[Any] = []

    async def never() -> Any:
        await asyncio.sleep(10)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "path": "/ask", "method": "POST", "headers": [], "client": ("test", 1)}
    asyncio.run(guard(scope, never, send))
    assert sent[0]["status"] == 408


def test_versions_without_a_registry_say_what_is_served(client: Clients, model: ModelDouble) -> None:
    found = client(model).get("/versions").json()
    assert (found["served"]["version"], found["registered"]) == ("5f1d7e84a90b", [])


def test_openapi_has_examples_and_the_contract(client: Clients) -> None:
    described = client().get("/openapi.json").json()
    assert {"/parse", "/ask", "/feedback", "/versions", "/healthz", "/readyz", "/metrics"} == set(described["paths"])
    schemas = described["components"]["schemas"]
    assert schemas["ParseRequest"]["properties"]["question"]["examples"] == [BERKSHIRE]
    filters = schemas["FeedbackRequest"]["properties"]["filters"]["anyOf"][0]
    assert filters["properties"].keys() == json_schema()["properties"].keys()
    assert filters["examples"] == [FILTERS]


def test_the_page_needs_nothing_from_elsewhere(client: Clients) -> None:
    service = client()
    for path in ("/", "/app.js", "/style.css", "/icon.svg"):
        page = service.get(path)
        assert page.status_code == 200
        assert "default-src 'self'" in page.headers["Content-Security-Policy"]
        assert "http" not in page.text.replace("http://www.w3.org/2000/svg", "")
    assert len(service.get("/map").json()) > 1000
    assert service.get("/schema").json() == json_schema()


def test_many_ask_at_once_and_nothing_is_lost(client: Clients, model: ModelDouble) -> None:
    service = client(model)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: service.post("/parse", json={"question": f"wind over {n + 1}kW"}), range(80)))
    answered = [answer.json() for answer in answers if answer.status_code == 200]
    assert [one["filters"]["capacity_min_kw"] for one in answered] == list(range(1, 81))
    assert {entry["id"] for entry in read_log()} == {one["id"] for one in answered}
