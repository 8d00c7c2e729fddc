"""Conventions are inferred from observations alone: planted dialects come out as they were planted."""

from __future__ import annotations

import json
from functools import lru_cache

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import DEMO, FAULTS, ROOT
from helpers import simulated

from conformance import host
from conformance.case import Case
from conformance.causes import LONG, Cause, Observed, passes
from conformance.cli import main
from conformance.corpus import select
from conformance.dialect import KNOBS, STANDARD, Dialect
from conformance.infer import Inferred, infer, observations
from conformance.places import cases
from conformance.plan import request


@lru_cache(maxsize=4)
def corpus(*folders: str) -> list[Case]:
    """The cases of some folders, or of all, without the long ones, which tell what others tell."""
    return [one for one in select(cases(), folders) if passes(one) <= LONG]


def planted(number: int) -> Dialect:
    """A dialect drawn at random."""
    draw = np.random.RandomState(number)
    return Dialect(**{knob: values[draw.randint(len(values))] for knob, values in KNOBS.items()})


@pytest.mark.parametrize("number", range(4))
def test_a_planted_dialect_is_inferred(number):
    """Whatever the combination: what a quarter of the cases tells is what was planted, and that is never refuted."""
    dialect = planted(number)
    found = infer([Observed(one, simulated(one, dialect)) for one in corpus()[number::4]])
    assert {knob: getattr(dialect, knob) for knob in found.told} == found.told
    assert [] == [knob for knob in KNOBS if getattr(dialect, knob) not in found.left(knob)]
    assert ([], []) == (found.exceptions, found.unexplained)
    assert len(found.told) > len(KNOBS) / 3


def demo(fault: str, tmp_path, monkeypatch) -> Inferred:
    """What is inferred of the demo adapter with a fault, run here and now."""
    monkeypatch.syspath_prepend(str(FAULTS))
    adapter, lines = host.load(str(FAULTS / f"{fault}.py") if fault else str(DEMO)), []
    for number, one in enumerate(corpus("modes/*", "restore/*", "freeze/f*")):
        answer = host.run_case(adapter, {"mode": "eager", "workdir": str(tmp_path)}, request(one), number)
        lines.append((one, json.loads(answer)))
    return infer(observations(lines))


@pytest.mark.parametrize(
    ("fault", "knob", "value"),
    [
        ("", "variance", "population"),
        ("variance_sample", "variance", "sample"),
        ("bare_call_trains", "bare_call", "trains"),
        ("baked_flag_overridden", "baked_training", "overridden"),
        ("frozen_uses_batch", "frozen_training_call", "batch_statistics"),
        ("missing_refused", "missing_statistics", "refused"),
    ],
)
def test_a_convention_of_the_demo_adapter_is_inferred(fault, knob, value, tmp_path, monkeypatch):
    """The adapter really runs, and what it declares is not looked at."""
    assert value == demo(fault, tmp_path, monkeypatch).told[knob]


def test_two_cases_that_need_different_values_become_a_condition():
    """A target that divides by n-1 at rank 4 alone follows a convention there, and another elsewhere."""
    among = corpus("axes/*", "ranks/*", "update/*")
    images = {one for one in among if any(batch.ndim == 4 for batch in one.data.values())}
    seen = [
        Observed(one, simulated(one, STANDARD.under({"variance": "sample"} if one in images else {}))) for one in among
    ]
    found = infer(seen)
    (exception,) = found.exceptions
    assert ("population", Cause("variance", "sample")) == (found.dialect.variance, exception.cause)
    assert exception.where == "rank 4"
    assert set(exception.cases) <= {one.id for one in images}


def test_a_contradiction_that_is_known_is_excused():
    """Only the cases that are not on the list speak against what is declared."""
    found = Inferred(STANDARD, {knob: {} for knob in KNOBS} | {"variance": {"sample": ["a", "b"]}}, [], [])
    declared = STANDARD.under({"variance": "sample"})
    assert {"variance": ["b"]} == found.contradictions(declared, ["a"])
    assert {} == found.contradictions(declared, ["a", "b"])
    assert {} == found.contradictions(STANDARD)


@pytest.mark.parametrize(("words", "status"), [((), 0), (("--against-declared",), 1)])
def test_the_command_says_what_contradicts_the_declaration(words, status, tmp_path):
    """A run whose header declares another variance than its numbers show."""
    (run,) = (ROOT / "reports" / "runs").glob("keras_layers-layer-keras-3.15.1-tensorflow-2.21.0.jsonl")
    header, *rest = run.read_text().splitlines(keepends=True)
    lying = {**json.loads(header), "dialect": {**json.loads(header)["dialect"], "variance": "sample"}}
    (tmp_path / "x.jsonl").write_text("".join([json.dumps(lying) + "\n", *rest]))
    result = CliRunner().invoke(main, ["infer", str(tmp_path / "x.jsonl"), *words])
    assert status == result.exit_code
    assert "CONTRADICTED: variance = sample is declared; " in result.output
    assert "  variance                population " in result.output


def test_the_command_wants_a_target_that_is_there():
    """What there is stands in the message."""
    result = CliRunner().invoke(main, ["infer", "nothing", "--runs", str(ROOT / "reports" / "runs")])
    assert 2 == result.exit_code
    assert "torch_nn[module]" in result.output
