"""The phrase files: readable, complete, and with errors that name the line."""

import random

import pytest

from fit_assets.dataset.phrases import PhraseError, choose, load_phrases, phrase_report


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("over {n}\n", "line 1: a phrase before the first"),
        ("[min post]\nover {n\n", r"line 2.*in braces"),
        ("[min post]\n(over|above {n}\n", "line 2.*check the brackets"),
        ("[min post]\n(over {n}|above)\n", "line 2.*inside a choice"),
        ("[min post]\n[max post]\nunder {n}\n", r"section \[min post\] is empty"),
        ("[min post]\nover {n}\n[min post]\nabove {n}\n", "line 3.*stands twice"),
    ],
)
def test_bad_files_are_named(tmp_path, text, message):
    (tmp_path / "capacity.txt").write_text(text)
    with pytest.raises(PhraseError, match=message) as error:
        load_phrases(tmp_path)
    assert "capacity.txt" in str(error.value)


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(PhraseError, match="no phrase files"):
        load_phrases(tmp_path)


def test_a_new_line_needs_no_code(tmp_path):
    path = tmp_path / "capacity.txt"
    path.write_text("[min post]\nover {n}\n")
    assert len(load_phrases(tmp_path).lines("capacity", "min post")) == 1
    path.write_text("# more\n[min post]\nover {n}\nfrom {n} up\n\n")
    assert len(load_phrases(tmp_path).lines("capacity", "min post")) == 2
    with pytest.raises(PhraseError, match=r"no section \[max post\]"):
        load_phrases(tmp_path).lines("capacity", "max post")


def test_choices():
    rng = random.Random(0)
    assert {choose("(show|list) me (all |)wind", rng) for _ in range(100)} == {
        "show me wind", "list me wind", "show me all wind", "list me all wind",
    }  # fmt: skip
    assert {choose("(a|(b|c))", rng) for _ in range(100)} == {"a", "b", "c"}
    assert choose("on (5 kW)", rng) == "on (5 kW)"


def test_report_counts_every_file():
    report = phrase_report()
    assert report["search"]["lines"] >= 300
    assert all(counts["wordings"] >= counts["lines"] > 0 for counts in report.values())
    assert sum(counts["lines"] for counts in report.values()) > 3000
