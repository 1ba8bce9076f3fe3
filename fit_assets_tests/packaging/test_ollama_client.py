import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fit_assets.filters import json_schema
from fit_assets.packaging.modelfile import parameters
from fit_assets.packaging.ollama import OllamaClient, OllamaRefused, OllamaUnavailable, register_model
from fit_assets.training.prompt import CHAT_STYLES, SYSTEM_PROMPT
from fit_assets_tests.fake_ollama import FakeOllama, serve

STYLE = CHAT_STYLES["chatml"]
ANSWER = '{"technology":"Wind"}'


@pytest.fixture
def fake() -> Iterator[FakeOllama]:
    with serve(FakeOllama()) as running:
        running.answer = lambda prompt: ANSWER
        yield running


@pytest.fixture
def client(fake: FakeOllama) -> Iterator[OllamaClient]:
    client = OllamaClient(fake.host, timeout=5)
    yield client
    client.close()


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF" + b"weights" * 1000)
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_registration_gives_name_and_version_tag(fake: FakeOllama, client: OllamaClient, gguf: Path) -> None:
    said: list[str] = []
    done = register_model(client, "fit-intelligence", gguf, STYLE, say=said.append)
    assert done.server_version == "0.12.6"
    assert done.statuses == ("parsing GGUF", "writing manifest", "success")
    assert done.smoke_answer == ANSWER
    assert done.smoke_milliseconds == 1.5
    assert done.rendered_as_trained is True
    assert set(fake.models) == {"fit-intelligence:latest", done.tag}
    assert client.has_model("fit-intelligence")
    model = client.show("fit-intelligence")
    assert model["template"] == STYLE.ollama_template
    assert model["system"] == SYSTEM_PROMPT
    assert model["parameters"] == parameters(STYLE)
    assert said[-1] == "success"
    smoke = next(body for _, path, body in fake.requests if path == "/api/generate" and "format" in body)
    assert smoke["format"] == json_schema()


def test_a_blob_is_sent_once(fake: FakeOllama, client: OllamaClient, gguf: Path) -> None:
    register_model(client, "m", gguf, STYLE)
    register_model(client, "m", gguf, STYLE)
    assert sum(method == "POST" and "/blobs/" in path for method, path, _ in fake.requests) == 1


def test_a_wrong_digest_is_refused(client: OllamaClient, gguf: Path) -> None:
    with pytest.raises(OllamaRefused, match="digest mismatch"):
        client.push_blob(gguf, "0" * 64)


def test_an_answer_in_another_prompt_keeps_the_old_model(fake: FakeOllama, client: OllamaClient, gguf: Path) -> None:
    register_model(client, "m", gguf, STYLE)
    old = fake.models["m:latest"]
    gguf.write_bytes(b"GGUF" + b"newer" * 1000)
    fake_template = CHAT_STYLES["phi3"].ollama_template
    original = fake.create

    def other_template(body: dict[str, object]) -> list[dict[str, object]]:
        return original(body | {"template": fake_template})

    fake.create = other_template  # type: ignore[method-assign]
    with pytest.raises(OllamaRefused, match="trained was"):
        register_model(client, "m", gguf, STYLE)
    assert fake.models["m:latest"] is old


def test_a_server_that_cannot_show_its_prompt(fake: FakeOllama, client: OllamaClient, gguf: Path) -> None:
    fake.debug_render = False
    assert register_model(client, "m", gguf, STYLE).rendered_as_trained is None


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"create_error": "no space left on device"}, "no space left on device"),
        ({"done_reason": "length"}, "ended by 'length'"),
        ({"space": 10}, "no space left on device"),
    ],
)
def test_faults_of_the_server_do_not_give_the_name(
    fake: FakeOllama, client: OllamaClient, gguf: Path, fault: dict[str, object], message: str
) -> None:
    for name, value in fault.items():
        setattr(fake, name, value)
    with pytest.raises(OllamaRefused, match=message):
        register_model(client, "m", gguf, STYLE)
    assert "m:latest" not in fake.models


def test_a_file_that_is_no_gguf(client: OllamaClient, tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"nonsense")
    with pytest.raises(OllamaRefused, match="not in GGUF format"):
        register_model(client, "m", tmp_path / "x.gguf", STYLE)


def test_create_needs_known_blobs_and_a_template(client: OllamaClient, gguf: Path) -> None:
    digest = client.push_blob(gguf)
    with pytest.raises(OllamaRefused, match=r"blob for a\.gguf not found"):
        client.create("m", {"a.gguf": "1" * 64}, template=STYLE.ollama_template, system="", parameters={})
    with pytest.raises(OllamaRefused, match="template error"):
        client.create("m", {"a.gguf": digest}, template="no prompt", system="", parameters={})
    with pytest.raises(OllamaRefused, match="unknown parameter 'warmth'"):
        client.create("m", {"a.gguf": digest}, template=STYLE.ollama_template, system="", parameters={"warmth": 1})


def test_generate_chat_copy_delete(fake: FakeOllama, client: OllamaClient, gguf: Path) -> None:
    register_model(client, "m", gguf, STYLE)
    fake.answer = lambda prompt: json.dumps({"prompt": prompt})
    reply = client.generate("m", "hello", options={"temperature": 0.1})
    assert json.loads(reply.text)["prompt"] == STYLE.render("hello")
    assert (reply.done_reason, reply.tokens) == ("stop", 7)
    turns = [{"role": "user", "content": "hello"}]
    assert client.chat("m", turns).text == reply.text
    client.copy("m", "m:kept")
    client.delete("m")
    assert not client.has_model("m")
    assert client.has_model("m:kept")
    with pytest.raises(OllamaRefused, match="not found") as refusal:
        client.generate("m", "hello")
    assert refusal.value.status == 404


def test_no_server_is_tried_again_and_then_said() -> None:
    client = OllamaClient(f"http://127.0.0.1:{free_port()}", attempts=2, backoff=0.01)
    with pytest.raises(OllamaUnavailable, match=r"start one with `ollama serve`, or set OLLAMA_HOST"):
        client.version()


def test_a_server_that_comes_up_late_is_found() -> None:
    port = free_port()
    client = OllamaClient(f"http://127.0.0.1:{port}", attempts=8, backoff=0.05)

    def late() -> None:
        with socket.socket() as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(("127.0.0.1", port))
            server.listen()
            connection, _ = server.accept()
            connection.recv(4096)
            connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"version":"1"}')
            connection.close()

    timer = threading.Timer(0.1, late)
    timer.start()
    assert client.version() == "1"
    timer.join()


def test_a_slow_answer_is_not_asked_for_twice(fake: FakeOllama, gguf: Path) -> None:
    patient = OllamaClient(fake.host)
    register_model(patient, "m", gguf, STYLE)
    fake.delay = 0.5
    before = len(fake.requests)
    with pytest.raises(OllamaUnavailable, match=r"no answer within 0\.1 s"):
        OllamaClient(fake.host, timeout=0.1).generate("m", "hello")
    assert len(fake.requests) == before + 1


def test_another_server_at_the_address(fake: FakeOllama) -> None:
    with pytest.raises(OllamaRefused, match="404"):
        OllamaClient(f"{fake.host}/elsewhere").version()
