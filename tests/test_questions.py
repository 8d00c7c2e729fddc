"""The commands that answer questions from stored runs, without any framework."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner
from conftest import ROOT

from conformance.cli import main
from conformance.dialect import KNOBS
from conformance.worked import COMES_TO, VALUES, Settings, comes_to

RUNS = str(ROOT / "reports" / "runs")


def ask(*words: str, status: int = 0) -> str:
    """What a command prints."""
    result = CliRunner().invoke(main, list(words))
    assert status == result.exit_code, result.output
    return result.output


def test_every_value_of_every_knob_has_a_sentence_and_every_knob_a_number():
    """A difference in any knob can be told."""
    assert {knob: set(values) for knob, values in KNOBS.items()} == {knob: set(said) for knob, said in VALUES.items()}
    assert list(KNOBS) == list(COMES_TO)


@pytest.mark.parametrize("knob", KNOBS)
def test_the_sentences_can_be_filled(knob):
    """At ordinary settings and at the edges."""
    for settings in (Settings(), Settings(0.0, 0.0, 1), Settings(1.0, 0.0, 1)):
        assert "{" not in comes_to(knob, settings)


def test_the_worked_number_is_that_of_the_user():
    """64/63, and 63 % forgotten in 100 passes at momentum 0.99."""
    assert "factor n/(n-1) = 1.0159 at n = 64" in comes_to("variance", Settings(n=64))
    assert "after 100 passes 0.366" in comes_to("frozen_training_call", Settings(0.99))


def test_two_targets_are_explained_knob_by_knob():
    """What differs with its numbers and cases, what is the same, and what departs from its own declaration."""
    said = ask("explain", "keras_layers[layer]", "torch_nn", "--batch", "2", "--positions", "4", "--runs", RUNS)
    assert "variance: population and sample" in said
    assert "factor n/(n-1) = 1.1429 at n = 8" in said
    assert re.search(r"torch_nn\[module\] departs .* 5 cases: .*\n  a restore that is refused has already loaded", said)
    assert "the same: variance_algorithm (two_pass), " in said
    assert "only keras_layers[layer] has " in said


def test_two_targets_that_do_the_same_differ_in_nothing():
    """The eager and the compiled mode of one adapter."""
    said = ask("explain", "flax_linen[eager]", "flax_linen[jit]", "--runs", RUNS)
    assert " look at " not in said
    assert all(f"{knob} (" in said for knob in KNOBS)


def test_a_pattern_that_means_several_targets_is_refused():
    """With the names among which to decide."""
    said = ask("explain", "keras_layers", "torch_nn", "--runs", RUNS, status=2)
    assert "keras_layers-functional-keras-" in said
