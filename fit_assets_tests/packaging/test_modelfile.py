import re
from pathlib import Path
from typing import Any

import pytest

from fit_assets.packaging.modelfile import ModelfileOptions, modelfile_text, parameters, write_modelfile
from fit_assets.training.prompt import CHAT_STYLES, SYSTEM_PROMPT, ChatStyle, user_turn

STYLES = list(CHAT_STYLES.values())
_COMMAND = re.compile(r'^(FROM|TEMPLATE|SYSTEM|PARAMETER) (?:"""(.*?)"""|(.*?))$', re.DOTALL | re.MULTILINE)


def read_back(text: str) -> dict[str, Any]:
    """A Modelfile by Ollama's rules: one command a line, three quotes around what spans lines."""
    assert _COMMAND.sub("", text).strip() == "", "something in the file is no command"
    found: dict[str, Any] = {"parameters": {}}
    for command, quoted, plain in _COMMAND.findall(text):
        if command != "PARAMETER":
            found[command] = quoted or plain
            continue
        name, value = plain.split(" ", 1)
        if name == "stop":
            found["parameters"].setdefault("stop", []).append(value.strip('"'))
        else:
            found["parameters"][name] = float(value)
    return found


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
def test_the_file_says_what_was_trained(style: ChatStyle) -> None:
    found = read_back(modelfile_text(style, "./model.gguf"))
    assert found["FROM"] == "./model.gguf"
    assert found["SYSTEM"] == SYSTEM_PROMPT
    assert found["parameters"] == parameters(style)
    assert found["parameters"]["stop"] == [style.end]
    question = "Wind sites OVER 100kw in  Berkshire"
    before_answer = found["TEMPLATE"].split("{{ .Response }}")[0]
    rendered = before_answer.replace("{{ .System }}", SYSTEM_PROMPT).replace("{{ .Prompt }}", user_turn(question))
    assert rendered == style.render(question)
    assert found["TEMPLATE"].endswith(style.end)


def test_defaults_and_the_missions_options() -> None:
    values = parameters(STYLES[0])
    assert values["temperature"] == 0
    assert values["repeat_penalty"] == 1
    mission = ModelfileOptions(temperature=0.1, repeat_penalty=1.1)
    found = read_back(modelfile_text(STYLES[0], "x", mission))
    assert found["parameters"]["temperature"] == 0.1
    assert found["parameters"]["repeat_penalty"] == 1.1


def test_the_gguf_is_named_from_the_modelfiles_own_folder(tmp_path: Path) -> None:
    out = write_modelfile(STYLES[0], tmp_path / "gguf" / "model.gguf", tmp_path / "Modelfile")
    assert read_back(out.read_text())["FROM"] == "./gguf/model.gguf"
    elsewhere = write_modelfile(STYLES[0], tmp_path / "model.gguf", tmp_path / "sub" / "Modelfile")
    assert read_back(elsewhere.read_text())["FROM"] == "../model.gguf"
