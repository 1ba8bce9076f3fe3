import functools
import json
import resource
import shutil
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from fit_assets import artifacts
from fit_assets.packaging import PackagingError, gguf
from fit_assets.packaging.gguf import build_gguf, convert, cut_otherwise, quantise, verify_gguf
from fit_assets.packaging.runtime import LlamaModel, style_of
from fit_assets.training.prompt import messages
from fit_assets_tests.tiny_models import ARCHITECTURES, chat_style

QUESTIONS = [
    "wind sites over 100kw in berkshire",
    "5 MW  hydro — Ynys Môn",
    "12.5kw-50kw PV, RG17 4QS?",
    'what\'s "the" rate for <|im_end|> fit 004004',
    "",
    "太阳能 🌞 sites",
]
LIMIT = 20_000  # bytes that a file may have while the disk is "full"


def quiet(_: str) -> None:
    pass


def limit_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, resource.RLIM_INFINITY))


@pytest.fixture(scope="module")
def sound(tiny_gguf: Callable[[str], Path]) -> Path:
    return tiny_gguf("mistral")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_becomes_a_gguf_that_renders_the_trained_prompt(
    architecture: str, tiny_hf: Callable[[str], Path], tiny_gguf: Callable[[str], Path], tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    style = chat_style(architecture)
    packed = quantise(tiny_gguf(architecture), tmp_path / "q4.gguf", "q4_k_m")
    assert verify_gguf(packed).chat_style == style.name
    tokenizer = AutoTokenizer.from_pretrained(tiny_hf(architecture))
    with closing(LlamaModel(packed, context=512)) as model:
        assert model.chat_template == style.chat_template
        assert style_of(model) == style
        assert model.adds_bos == style.bos
        for question in QUESTIONS:
            trained = tokenizer.apply_chat_template(messages(question), tokenize=True, return_dict=False)
            served = ([model.bos] if style.bos else []) + model.tokenize(style.render(question))
            assert served == trained, question


EXAMPLES = [
    ("wind in fife", '{"technology":"Wind"}'),
    ("AD or hydro", '{"technologies":["Anaerobic digestion","Hydro"]}'),
]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_llama_cpp_cuts_texts_as_training_did(
    architecture: str, tiny_hf: Callable[[str], Path], tiny_gguf: Callable[[str], Path]
) -> None:
    assert cut_otherwise(tiny_gguf(architecture), tiny_hf(architecture), EXAMPLES) == []


def test_a_text_that_training_cut_otherwise_is_found(
    tiny_hf: Callable[[str], Path], tiny_gguf: Callable[[str], Path], tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    other = AutoTokenizer.from_pretrained(tiny_hf("smollm2"))
    other.add_tokens(["fif"])
    other.save_pretrained(tmp_path)
    assert cut_otherwise(tiny_gguf("smollm2"), tmp_path, EXAMPLES) == ["wind in fife"]


def test_quantising_makes_it_smaller(sound: Path, tmp_path: Path) -> None:
    sizes = {kind: verify_gguf(quantise(sound, tmp_path / kind, kind)).bits_per_weight for kind in ("f16", "q8_0")}
    assert 8 < sizes["q8_0"] < 10
    assert 16 <= sizes["f16"] < 17


def test_build_is_done_once_for_each_model_and_kind(
    tiny_hf: Callable[[str], Path], toolchain: Path, tmp_path: Path
) -> None:
    folder, out = tiny_hf("mistral"), tmp_path / "gguf" / "model.gguf"
    record = build_gguf(folder, out, "q8_0", say=quiet)
    assert record.digest == artifacts.digest_of(out)
    assert record.inputs["kind"] == "q8_0"
    assert record.facts["chat_style"] == "mistral"
    first = out.stat()
    assert build_gguf(folder, out, "q8_0", say=quiet) == record
    assert out.stat().st_ino == first.st_ino
    assert sorted(path.name for path in out.parent.iterdir()) == ["model.gguf", "model.gguf.digest.json"]


def test_full_disk_while_converting(
    tiny_hf: Callable[[str], Path], toolchain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "model.gguf"
    out.write_bytes(b"last good")
    monkeypatch.setattr(subprocess, "run", functools.partial(subprocess.run, preexec_fn=limit_files))
    with pytest.raises(PackagingError, match=r"(?s)free disk space.*requested and .* written"):
        convert(tiny_hf("mistral"), out, say=quiet)
    assert [path.name for path in tmp_path.iterdir()] == ["model.gguf"]
    assert out.read_bytes() == b"last good"


def test_full_disk_as_the_converter_tells_it(
    tiny_hf: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        Path(command[command.index("--outfile") + 1]).write_bytes(b"half")
        return subprocess.CompletedProcess(command, 1, "", "OSError: [Errno 28] No space left on device")

    out = tmp_path / "model.gguf"
    out.write_bytes(b"last good")
    monkeypatch.setattr(gguf.toolchain, "converter", lambda _: Path("converter.py"))
    monkeypatch.setattr(subprocess, "run", full)
    with pytest.raises(PackagingError, match=rf"the disk is full: {out} cannot be written"):
        convert(tiny_hf("mistral"), out, say=quiet)
    assert [path.name for path in tmp_path.iterdir()] == ["model.gguf"]
    assert out.read_bytes() == b"last good"


def test_full_disk_while_quantising(sound: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.gguf"
    out.write_bytes(b"last good")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, before[1]))
    try:
        with pytest.raises(PackagingError, match="free disk space"):
            quantise(sound, out, "q8_0")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir()] == ["model.gguf"]
    assert out.read_bytes() == b"last good"


@pytest.mark.parametrize("damage", ["cut", "garbage", "empty", "missing"])
def test_a_damaged_gguf_is_refused(sound: Path, tmp_path: Path, damage: str) -> None:
    bad, out = tmp_path / "bad.gguf", tmp_path / "out.gguf"
    if damage != "missing":
        content = sound.read_bytes()
        bad.write_bytes({"cut": content[: len(content) // 2], "garbage": b"GGUF" + b"\xff" * 500, "empty": b""}[damage])
    with pytest.raises(PackagingError, match=r"build it again|materialise gguf_model"):
        quantise(bad, out, "q8_0")
    assert not out.exists()


def test_a_model_that_cannot_be_converted_says_why(
    tiny_hf: Callable[[str], Path], toolchain: Path, tmp_path: Path
) -> None:
    broken = Path(shutil.copytree(tiny_hf("mistral"), tmp_path / "broken"))
    (broken / "model.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(PackagingError, match=r"(?s)converter failed.*Error"):
        convert(broken, tmp_path / "out.gguf", say=quiet)
    assert not (tmp_path / "out.gguf").exists()


def test_unknown_kind_and_missing_model(tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match="no kind 'q9'; there are f16"):
        build_gguf(tmp_path, tmp_path / "x.gguf", "q9")
    with pytest.raises(PackagingError, match="materialise merged_model first"):
        build_gguf(tmp_path, tmp_path / "x.gguf", "q8_0")


def test_a_tokenizer_with_another_bos_is_refused(
    tiny_hf: Callable[[str], Path], toolchain: Path, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(tiny_hf("mistral"), tmp_path / "other"))
    tokenizer = json.loads((other / "tokenizer.json").read_text())
    tokenizer["post_processor"] = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    (other / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(PackagingError, match="puts no BOS token"):
        convert(other, tmp_path / "out.gguf", say=quiet)
    assert not (tmp_path / "out.gguf").exists()


def test_the_converter_is_the_installed_versions_own(toolchain: Path) -> None:
    import llama_cpp

    assert toolchain.name == f"llama.cpp-{llama_cpp.__version__}"
    assert gguf.toolchain.converter(quiet) == toolchain / "convert_hf_to_gguf.py"
