"""New cases, and literals filled in from exact arithmetic."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from helpers import HEAD
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance import cli
from conformance.authoring.canonical import canonical, printed
from conformance.authoring.fill import filled
from conformance.authoring.spell import spelled
from conformance.authoring.tree import Node, grow
from conformance.lint import lint
from conformance.load import load
from conformance.places import cases
from conformance.strict_yaml import BadInput, parse

CORPUS = sorted(cases().rglob("*.yaml"))
LAYER = HEAD.replace("momentum: 0.9, epsilon: 0.001", "momentum: 0.5, epsilon: 5, moving_mean: [7]")
START = LAYER + "data: {b: [[1], [5]], one: [[9]], many: {random_state: 1, normal: [40, 1]}}\nsteps:\n"
SPELLED = [
    (Decimal(1) / 3, "0.33333334"),
    (Decimal("0.3"), "0.3"),
    (Decimal(3), "3"),
    (Decimal("-58.8"), "-58.8"),
    (Decimal("0E-60"), "0"),
    (Decimal("-0"), "0"),
    (Decimal("NaN"), ".nan"),
    (Decimal("-Infinity"), "-.inf"),
    (Decimal("1E-20"), "1.0e-20"),
    (Decimal("1.3552527156068805E-20"), "1.3552527e-20"),
    (Decimal("2E+20"), "2.0e+20"),
    (Decimal(16777217), "16777216"),
    (Decimal("1E+39"), "1.0e+39"),  # beyond float32
    (Decimal("1E-60"), "1.0e-60"),
    (Decimal("1.0000000596046447753906250000001"), "1.0000001"),  # the float64 there lies between two float32
]


@pytest.mark.parametrize(("number", "text"), SPELLED)
def test_numbers_are_spelled_as_short_as_float32_allows(number, text):
    """And as every YAML reader reads them."""
    assert text == spelled(number, "float32")
    assert isinstance(parse(f"a: {text}", "f").content["a"], int | float)


def test_a_layer_of_float64_has_literals_of_float64():
    """Its bounds are so narrow."""
    assert "0.3333333333333333" == spelled(Decimal(1) / 3, "float64")


@settings(max_examples=300)
@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_every_float32_is_spelled_so_that_it_reads_back(value):
    """And no other is nearer to what was spelled."""
    read = parse(f"a: {spelled(Decimal(value), 'float32')}", "f").content["a"]
    assert value == float(np.float32(read))


def steps(text: str) -> str:
    """The steps of a case that was filled in."""
    return filled(START + text, "f").partition("steps:\n")[2]


ONE = "  - train: one\n    expect: {moving_mean: [8]}\n    otherwise:\n"
FILLED = {
    "a step without expectations gets what it computes, and the statistics": (
        "  - train: b\n",
        "  - train: b\n    expect: {output: [[-0.6666667], [0.6666667]], moving_mean: [5], moving_variance: [2.5]}\n",
    ),
    "an empty `expect` is the same as none": (
        "  - set: {gamma: [3]}\n    expect:\n",
        "  - set: {gamma: [3]}\n    expect: {moving_mean: [7], moving_variance: [1], gamma: [3]}\n",
    ),
    "names without a value get theirs, and others stay away": (
        "  - train: b\n    expect: {moving_variance: , output: [[-0.66667], [0.66667]]}\n".replace(
            "0.66667", "0.666666667"
        ),
        "  - train: b\n    expect: {moving_variance: [2.5], output: [[-0.666666667], [0.666666667]]}\n",
    ),
    "what is there stays as it is": (
        "  - train: b  # mean 3\n    expect: {moving_mean: [5.0]}\n",
        "  - train: b  # mean 3\n    expect: {moving_mean: [5.0]}\n",
    ),
    "steps that only prepare expect nothing": (
        "  - freeze: {of: layer}\n  - save: a\n",
        "  - freeze: {of: layer}\n  - save: a\n",
    ),
    "an error is an expectation": (
        "  - save: a\n  - {restore: a, into: same, omit: [beta]}\n",
        (
            "  - save: a\n  - restore: a\n    into: same\n    omit: [beta]\n"
            "    expect: {raises: true, moving_mean: [7], moving_variance: [1], gamma: [1], beta: [0]}\n"
        ),
    ),
    "large arrays are left out": (
        "  - predict: many\n",
        "  - predict: many\n    expect: {moving_mean: [7], moving_variance: [1]}\n",
    ),
    "a convention gets what it moves": (
        "  - train: b\n    expect: {moving_mean: [5]}\n    otherwise:\n      - dialect: {variance: sample}  # n-1\n",
        (
            "  - train: b\n    expect: {moving_mean: [5]}\n    otherwise:\n      - dialect: {variance: sample}  # n-1\n"
            "        moving_variance: [4.5]\n"
        ),
    ),
    "a convention that raises an error says so": (
        ONE + "      - {dialect: {one_value_per_channel: refuses}}\n",
        ONE
        + "      - {dialect: {one_value_per_channel: refuses}, raises: true, moving_mean: [7], moving_variance: [1]}\n",
    ),
    "named quantities of a convention are filled in though they stay": (
        "  - train: b\n    expect: {moving_mean: [5]}\n    otherwise: [{dialect: {variance: sample}, moving_mean: }]\n",
        (
            "  - train: b\n    expect: {moving_mean: [5]}\n    otherwise:\n"
            "      - {dialect: {variance: sample}, moving_mean: [5]}\n"
        ),
    ),
    "a knob without a value stands for each that makes a difference": (
        "  - train: b\n    expect: {moving_mean: [5]}\n    otherwise:\n      # later\n      - {dialect: {startup: }}\n",
        (
            "  - train: b\n    expect: {moving_mean: [5]}\n    otherwise:\n      # later\n"
            "      - {dialect: {startup: zero_debias}, moving_mean: [3], moving_variance: [4]}\n"
            "      - {dialect: {startup: cumulative}, moving_mean: [3], moving_variance: [4]}\n"
            "      - {dialect: {startup: first_batch}, moving_mean: [3], moving_variance: [4]}\n"
        ),
    ),
    "and no knob for all of them": (
        (
            "  - predict: b\n    expect: {moving_mean: [7]}\n  - train: b\n    expect: {moving_mean: [5]}\n"
            "    otherwise: [{dialect: {}}, {dialect: {variance: sample}, moving_variance: [4.5]}]\n"
        ),
        (
            "  - predict: b\n    expect: {moving_mean: [7]}\n  - train: b\n    expect: {moving_mean: [5]}\n"
            "    otherwise:\n"
            "      - {dialect: {variance: sample}, moving_variance: [4.5]}\n"
            "      - {dialect: {initial_variance: zero}, moving_variance: [2]}\n"
            "      - {dialect: {startup: zero_debias}, moving_mean: [3], moving_variance: [4]}\n"
            "      - {dialect: {startup: cumulative}, moving_mean: [3], moving_variance: [4]}\n"
            "      - {dialect: {startup: first_batch}, moving_mean: [3], moving_variance: [4]}\n"
            "      - {dialect: {training_normalisation: moving}, output: [[-1.4605935], [0]]}\n"
            "      - {dialect: {variance: sample}, moving_variance: [4.5]}\n"
        ),
    ),
}


@pytest.mark.parametrize("claim", FILLED)
def test_what_is_filled_in(claim):
    """One case, what it becomes, and that there is nothing more to fill in."""
    text, expected = FILLED[claim]
    assert expected == steps(text)
    assert expected == steps(expected)


WRONG = [
    ("  - train: b\n    expect: {moving_mean: [5.1], output: }\n", "f:9:14: the literal is not the exact value, [5.]"),
    (
        "  - train: b\n    expect: {moving_maen: }\n",
        "f:9:14: there is no 'moving_maen' here; there is output, moving_mean",
    ),
    ("  - train: b\n    expect: {raises: true}\n", "f:9:14: this step raises no error here"),
    ("  - train: c\n", "f:8:5: there is no data named 'c'"),
    (
        "  - train: b\n    otherwise: [{dialect: {bare_call: trains}}]\n",
        "f:9:17: this changes nothing here by 10 bounds",
    ),
    ("  - train: b\n    otherwise: [{dialect: {bare_call: }}]\n", "f:9:17: this changes nothing here by 10 bounds"),
    (
        "  - train: b\n    otherwise: [{dialect: {bare: }}]\n",
        "f:9:28: a knob without a value stands alone, and is one of",
    ),
    ("  - train: b\n    otherwise: [{dialect: {variance: x}}]\n", "f:9:18: knob 'variance' cannot be 'x'"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_what_is_wrong_is_told_and_not_mended(text, message):
    """At its place."""
    with pytest.raises(BadInput) as caught:
        steps(text)
    assert str(caught.value).startswith(message)


def emptied(node: Node) -> None:
    """Take the numbers out of the expectations below a node."""
    for item in node.entries:
        if item.key and item.key.value in ("expect", "otherwise"):
            for entry in [item.value, *(other.value for other in item.value.entries)]:
                for quantity in entry.entries:
                    if quantity.key and quantity.key.value not in ("dialect", "raises"):
                        quantity.value = Node.scalar("")
        else:
            emptied(item.value)


@pytest.mark.parametrize("path", CORPUS[::17], ids=lambda path: path.stem)
def test_cases_of_the_corpus_are_filled_in_again(path, tmp_path):
    """With their literals taken out, they get others that the linter bears out, under the same names."""
    text = path.read_text()
    tree = grow(text)
    emptied(tree.root)
    made = filled(printed(tree), "f")
    (tmp_path / "case.yaml").write_text(made)
    assert [] == lint(tmp_path / "case.yaml").problems
    named = load(path).text.steps
    again = load(tmp_path / "case.yaml").text.steps
    for one, other in zip(named, again, strict=True):
        for first, second in zip(one.expectations, other.expectations, strict=True):
            assert set(first.quantities) <= set(second.quantities)
            assert first.raises == second.raises


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of cases without any."""
    (tmp_path / "cases").mkdir()
    return tmp_path / "cases"


def invoke(*words: object) -> Result:
    """The command line in this process."""
    return CliRunner().invoke(cli.main, [str(word) for word in words], catch_exceptions=False)


@pytest.mark.parametrize("features", [1, 3])
def test_a_new_case_is_one_that_the_linter_and_the_formatter_leave_alone(folder, features):
    """At any depth, with any title."""
    path = folder / "questions" / "mine" / "first.yaml"
    result = invoke(
        "new", path, "--cases", folder, "--title", "a: b # c", "--statement", "NORM-1", "--features", features
    )
    assert (0, f"questions/mine/first is written: edit {path}\n") == (result.exit_code, result.output)
    assert [] == lint(path).problems
    assert path.read_text() == canonical(path.read_text(), "f") == filled(path.read_text(), "f")
    assert path.read_text().startswith("# yaml-language-server: $schema=../../schema.json\n")
    text = load(path).text
    assert ("a: b # c", ["NORM-1"], features) == (text.title, text.statements, text.layer.features)


NOT_THERE = {
    "case.yaml": "a case lies in a folder below",
    "../outside/case.yaml": "a case lies in a folder below",
    "update/case.yml": "a case is a YAML file: write",
    "update/My case.yaml": "'My case' is part of the case's id, for ever",
    "update/taken.yaml": "is there already",
    "taken/case.yaml": "cannot be written: File exists",
}


@pytest.mark.parametrize("name", NOT_THERE)
def test_a_place_that_cannot_be_is_told(folder, name):
    """Without a traceback, and nothing is written."""
    (folder / "update").mkdir()
    (folder / "update" / "taken.yaml").write_text("x")
    (folder / "taken").write_text("a file where a folder should be")
    result = invoke("new", folder / name, "--cases", folder)
    assert (2, True) == (result.exit_code, NOT_THERE[name] in result.stderr)
    assert ["taken", "update", "update/taken.yaml"] == sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*")
    )


def test_fill_writes_all_files_or_none(folder):
    """A wrong literal in one keeps the others from being written, and a second run finds nothing to do."""
    good, wrong = folder / "good.yaml", folder / "wrong.yaml"
    good.write_text(START + "  - train: b\n")
    wrong.write_text(START + "  - train: b\n    expect: {moving_mean: [4]}\n")
    assert 2 == invoke("fill", good, wrong).exit_code
    assert START + "  - train: b\n" == good.read_text()
    assert f"{good}: filled in\n" == invoke("fill", good).output
    assert f"{good}: nothing to fill in\n" == invoke("fill", good).output


def test_fill_tells_of_what_is_no_case(folder):
    """With its place, without a traceback."""
    (folder / "list.yaml").write_text("- 1\n")
    result = invoke("fill", folder / "list.yaml", folder / "none.yaml")
    assert 2 == result.exit_code
    assert "list.yaml:1:1: the file must be keys with values, not a list" in result.stderr
    assert "none.yaml:1:1: cannot be read: No such file or directory" in result.stderr
