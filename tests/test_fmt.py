"""The canonical form of case files: what it is, that it is stable, and that nothing is lost on the way."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from helpers import HEAD
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance import cli
from conformance.authoring.canonical import WIDTH, canonical
from conformance.strict_yaml import BadInput, parse

CASES = Path(__file__).parent.parent / "cases"
TEXTS = [path.read_text(encoding="utf-8") for path in sorted(CASES.rglob("*.yaml"))]
REST = "data: {batch: [[1], [5]]}\nsteps: [{train: batch}]\n"
LONG = ", ".join(["1234567"] * 12)
FORMS = {
    "keys stand in the order of the types": ("steps: []\ndata: {}\ntitle: x", "title: x\ndata: {}\nsteps: []"),
    "the verb stands first and expectations last": (
        "steps:\n  - expect: {beta: [1], raises: true}\n    mask: m\n    train: x",
        "steps:\n  - train: x\n    mask: m\n    expect: {raises: true, beta: [1]}",
    ),
    "a name stands first, also in flow style": (
        "network:\n  - batch_norm: {beta: [1], features: 1, name: n}",
        "network:\n  - batch_norm: {name: n, features: 1, beta: [1]}",
    ),
    "quantities keep their order": (
        "steps:\n  - train: x\n    expect: {moving_variance: [1], a.beta: [1], output: [1]}",
        "steps:\n  - train: x\n    expect: {moving_variance: [1], a.beta: [1], output: [1]}",
    ),
    "data and steps stand in block style": (
        "data: {x: [[1]], y: [[2]]}\nsteps: [{train: x}, {freeze: {of: layer}}]",
        "data:\n  x: [[1]]\n  y: [[2]]\nsteps:\n  - train: x\n  - freeze: {of: layer}",
    ),
    "what was written in block style stays so": (
        "layer:\n    features: 1\n    momentum: 0.90\n",
        "layer:\n  features: 1\n  momentum: 0.90",
    ),
    "a flow collection that does not fit is filled": (
        "layer: {gamma: [%s], beta: [1]}" % LONG,
        "layer:\n  {gamma: [%s],\n   beta: [1]}" % LONG,
    ),
    "and so is a list in it": (
        "data:\n  x: [%s, %s]" % (LONG, LONG),
        "data:\n  x:\n    [%s,\n     %s]" % (LONG, LONG),
    ),
    "one that fits is joined": ("statements: [A-1,\n  A-2]", "statements: [A-1, A-2]"),
    "the rows of a matrix stay where they are": (
        "data:\n  x: [[1], [2],\n      [3], [4]]",
        "data:\n  x:\n    [[1], [2],\n     [3], [4]]",
    ),
    "a comment in a flow collection opens it": (
        "data:\n  x: [[1],  # one\n      [2]]  # two",
        "data:\n  x:\n    - [1]  # one\n    - [2]  # two",
    ),
    "a comment behind a key stays there": (
        "data:   # all\n      x: [[1]]",
        "data:  # all\n  x: [[1]]",
    ),
    "comments on lines of their own belong to what follows": (
        "# top\nsteps:\n# one\n- train: x\n    # two\n- train: x\n# end",
        "# top\nsteps:\n  # one\n  - train: x\n  # two\n  - train: x\n# end",
    ),
    "a comment moves with its key": (
        "steps: []\n# about the title\ntitle: x  # really",
        "# about the title\ntitle: x  # really\nsteps: []",
    ),
    "a comment before a value in flow style stays before it": (
        "layer:\n  # tiny\n  {features: 1}",
        "layer:\n  # tiny\n  {features: 1}",
    ),
    "a comment that does not fit goes above": (
        "title: x # " + "y" * 115,
        "# " + "y" * 115 + "\ntitle: x",
    ),
    "what looks like a comment in quotes is none": ('title: "a # b" # c', 'title: "a # b"  # c'),
    "quotes are double": ("title: 'it''s: so'", 'title: "it\'s: so"'),
    "quotations have them always": (
        "sources:\n  - {says: so it is, url: https://x}",
        'sources:\n  - {url: https://x, says: "so it is"}',
    ),
    "long text goes on in further lines": (
        "answer: " + "word " * 30,
        "answer: " + " ".join(["word"] * 22) + "\n  " + " ".join(["word"] * 8),
    ),
    "text over several lines is joined": ("answer: one\n   two", "answer: one two"),
    "a folded block keeps its lines": ("answer: >-\n     one\n     two", "answer: >-\n  one\n  two"),
    "lines end as they do everywhere": ("title: x\r\nsteps: []\r\n", "title: x\nsteps: []"),
}


@pytest.mark.parametrize("claim", FORMS)
def test_the_canonical_form(claim):
    """One text, its canonical form, and that this is already canonical."""
    given_, expected = FORMS[claim]
    assert expected + "\n" == canonical(given_, "f")
    assert expected + "\n" == canonical(expected + "\n", "f")


def test_the_corpus_is_in_its_canonical_form():
    """So that formatting shows nobody else's changes."""
    assert [] == [text for text in TEXTS if text != canonical(text, "f")]


def rows(text: str) -> list[str]:
    """Every comment of a text whose scalars have none of its words."""
    return sorted(re.findall(r"# noted \d+", text))


def content(text: str) -> str:
    """What a text says, NaN included, whatever the order of its keys."""
    return json.dumps(parse(text, "f").content, sort_keys=True)


def broken(text: str) -> set[int]:
    """The lines of a text that end within a scalar, where a comment would be text, or no YAML."""
    scalars = [token for token in yaml.scan(text) if isinstance(token, yaml.ScalarToken)]
    ends = ((token.end_mark.line - (token.style in {">", "|"}), token) for token in scalars)
    return {line for end, token in ends for line in range(token.start_mark.line, end)}


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(TEXTS), st.data())
def test_comments_anywhere_are_kept(text, data):
    """At the end of any line and between any two; the case stays the same and the form is stable."""
    lines, within = [], broken(text)

    def note() -> str:
        return f"# noted {sum(line.count('# noted') for line in lines)}"

    for number, line in enumerate(text.splitlines()):
        depth = len(line) - len(line.lstrip())
        if number - 1 not in within and line.lstrip()[:1] != "#" and data.draw(st.integers(0, 5)) == 0:
            lines.append(" " * (depth + data.draw(st.integers(0, 1))) + note())
        text_behind = number in within or number - 1 in within
        behind = not text_behind and "#" not in line and data.draw(st.integers(0, 5)) == 0
        lines.append(f"{line}  {note()}" if behind else line)
    noted = "\n".join(lines)
    made = canonical(noted, "f")
    assert rows(noted) == rows(made)
    assert content(noted) == content(made)
    assert made == canonical(made, "f")


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(TEXTS), st.randoms())
def test_the_order_of_the_keys_makes_no_difference(text, random):
    """A case with its top-level keys shuffled has the same form, comments included."""
    head, _, body = text.partition("\n")
    parts = re.findall(r"(?m)(?:^#.*\n)*^[a-z].*\n(?:^ .*\n)*", body)
    random.shuffle(parts)
    assert canonical(text, "f") == f"{head}\n" + canonical("".join(parts), "f")


def test_no_line_of_the_corpus_is_too_long():
    """But those that cannot be broken."""
    assert [] == [line for text in TEXTS for line in text.splitlines() if len(line) > WIDTH]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One case that is canonical and one that is not."""
    (tmp_path / "good.yaml").write_text(canonical(HEAD + REST, "f"))
    (tmp_path / "bad.yaml").write_text(HEAD + REST)
    return tmp_path


def fmt(*words: object) -> Result:
    """`conformance fmt`."""
    return CliRunner().invoke(cli.main, ["fmt", *map(str, words)], catch_exceptions=False)


def test_a_check_writes_nothing_and_ends_with_1(folder):
    """It names the files that are not canonical."""
    result = fmt(folder, "--check")
    expected = f"would format {folder / 'bad.yaml'}\n1 of 2 cases were in their canonical form\n"
    assert (1, expected, HEAD + REST) == (result.exit_code, result.output, (folder / "bad.yaml").read_text())


def test_formatting_leaves_nothing_to_format_and_nothing_else_behind(folder):
    """Twice changes nothing; a temporary file is not left."""
    (folder / "bad.yaml").chmod(0o640)
    first, second = fmt(folder), fmt(folder)
    assert (0, f"formatted {folder / 'bad.yaml'}") == (first.exit_code, first.output.splitlines()[0])
    assert (0, "2 of 2 cases were in their canonical form\n") == (second.exit_code, second.output)
    assert (["bad.yaml", "good.yaml"], 0o640) == (
        sorted(path.name for path in folder.iterdir()),
        (folder / "bad.yaml").stat().st_mode & 0o777,
    )


WRONG = {
    "a: {b: 1": "did not find expected",
    "- 1\n": "the file must be keys with values, not a list",
    "title: x\n": "the key 'data' is missing here",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_case_is_told_and_left_alone(folder, text):
    """With its place, and with exit status 2; other files are formatted all the same."""
    (folder / "wrong.yaml").write_text(text)
    result = fmt(folder)
    assert 2 == result.exit_code
    assert WRONG[text] in result.stderr
    assert f"{folder / 'wrong.yaml'}:" in result.stderr
    assert (text, canonical(HEAD + REST, "f")) == tuple(
        (folder / name).read_text() for name in ("wrong.yaml", "bad.yaml")
    )


def test_a_file_that_is_not_there_is_told(folder):
    """Without a traceback."""
    result = fmt(folder / "none.yaml")
    assert (2, f"{folder / 'none.yaml'}:1:1: cannot be read: No such file or directory\n") == (
        result.exit_code,
        result.stderr,
    )


def test_a_case_that_would_change_is_refused(monkeypatch):
    """The last line of defence against faults of the formatter."""
    monkeypatch.setattr("conformance.authoring.canonical.printed", lambda tree: "title: y")
    with pytest.raises(BadInput, match="that would change what it says"):
        canonical("title: x", "f")
