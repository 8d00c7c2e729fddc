"""The commands that answer questions from stored runs, without any framework."""

from __future__ import annotations

import ast
import re

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import ROOT
from helpers import case, simulated

from conformance import lag
from conformance.causes import Cause, Observed
from conformance.cli import main
from conformance.dialect import KNOBS, STANDARD
from conformance.judge import judge
from conformance.render import answers
from conformance.render.words import growth
from conformance.wire import encode
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
    keras = "keras_layers-layer-keras-3.15.1-tensorflow-2.21.0"
    said = ask("explain", keras, "torch_nn[module]", "--batch", "2", "--positions", "4", "--runs", RUNS)
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


def test_a_glob_that_means_several_targets_is_refused():
    """With the names among which to decide."""
    said = ask("explain", "keras_layers*", "torch_nn[module]", "--runs", RUNS, status=2)
    assert "keras_layers-functional-keras-" in said


def test_the_name_of_an_adapter_means_the_mode_that_has_answered_most():
    """Of the newest version that was run."""
    assert "torch_nn[module]" in ask("explain", "flax_linen[eager]", "torch_nn", "--runs", RUNS).splitlines()[0]


def test_lag_says_what_is_left_and_when_it_is_not():
    """0.99^100 = 0.366; 0.99^459 is the first below 0.01."""
    said = ask("lag", "--momentum", "0.99", "--steps", "100")
    assert "0.99^100 = 0.366 of the start is left" in said
    assert "1 % of the start is left after 459 updates" in said
    assert 0.99**459 <= 0.01 < 0.99**458
    assert "1 % of the start is left never" in ask("lag", "--momentum", "1")
    assert "1 % of the start is left after 1 updates" in ask("lag", "--momentum", "0")


TRAINED = """
layer: {features: 2, momentum: 0.75, epsilon: 0.5}
data: {x: [[1, 2], [5, 4], [3, 9]]}
steps: [train: x, train: x, save: a, predict: x, {restore: a, into: fresh}, {call: x, training: unset}, predict: x]
"""


@pytest.mark.parametrize(
    ("cause", "answer"),
    [
        ((), "lag, nothing else"),
        ((Cause("BatchInInference"),), "mode: BatchInInference"),
        ((Cause("bare_call", "trains"),), "mode: bare_call = trains or bare_call = as_last_set"),
        ((Cause("VarianceForgotten"),), "lost state: VarianceForgotten"),
        ((Cause("NeverUpdates"),), "statistics that do not move: NeverUpdates"),
        ((Cause("EpsilonOutside"),), "something else: EpsilonOutside"),
        ((Cause("EpsilonOutside"), Cause("NeverUpdates")), "none of lag, mode and lost state"),
    ],
    ids=str,
)
def test_why_differ_names_the_hypothesis_that_was_planted(cause, answer):
    """Training is fine, predictions are terrible: for one of three reasons, or another."""
    one = case(TRAINED)
    found = lag.why(Observed(one, simulated(one, STANDARD, cause)), STANDARD)
    first, *gaps = answers.why("x", found)
    assert f"x: {answer}" == first
    assert [gap.startswith("  step 4: after 2 updates 0.562 of the start is left") for gap in gaps][:1] == [True]


def test_why_differ_reads_a_run():
    """A restore that is refused half way is neither lag nor mode."""
    said = ask("why-differ", "torch_nn[module]", "questions/after_restore", "--runs", RUNS)
    assert "statistics_missing_from_the_checkpoint: something else: RefusedHalfLoaded" in said
    assert "gap_before_any_checkpoint: lag, nothing else\n  step 2: after 60 updates 0.547" in said


PORTED = [
    ("keras_layers[layer]", "torch_nn[module]", "nn.BatchNorm1d(64, eps=0.001, momentum=0.01)\n"),
    ("torch_nn[module]", "flax_linen[jit]", "nn.BatchNorm(momentum=0.99, epsilon=0.001, use_fast_variance=False)\n"),
    ("flax_linen[jit]", "keras_layers[layer]", "keras.layers.BatchNormalization(momentum=0.99, epsilon=0.001)\n"),
]


@pytest.mark.parametrize(("here", "there", "call"), PORTED)
def test_a_port_is_spelled_as_the_other_does(here, there, call):
    """The call, the names of the state, and what is left with its size."""
    said = ask("port", here, there, "--momentum", "0.99", "--epsilon", "1e-3", "--runs", RUNS)
    assert call in said
    assert 4 == len(re.findall(r"^  \S+ +-> \S+ +\((moving_mean|moving_variance|gamma|beta)\)$", said, re.MULTILINE))
    assert ("  variance: " in said) == ("torch" in here + there)


def test_a_port_without_scale_has_no_gamma():
    """Neither in the call nor in the state; torch cannot leave out gamma alone."""
    said = ask("port", "flax_linen[jit]", "keras_layers[layer]", "--no-scale", "--runs", RUNS)
    assert ("scale=False" in said, "gamma" in said) == (True, False)
    said = ask("port", "flax_linen[jit]", "torch_nn[module]", "--no-scale", "--runs", RUNS, status=2)
    assert "affine=False leaves out beta as well" in said


@pytest.mark.parametrize("mode", ["functional", "sequential", "layer", "eager", "v2_class"])
def test_a_script_for_an_old_framework_is_old_python(mode):
    """TensorFlow 1 runs on Python 3.5, too."""
    target = f"keras_v2-{mode}-tf.keras-2.2.4-tf-tensorflow-1.15.5"
    said = ask("repro", "restore/into_a_frozen_layer", target, "--runs", RUNS)
    ast.parse(said, feature_version=(3, 5))
    assert ("set_weights" if mode in ("layer", "eager") else "load_weights") in said


def test_a_script_is_python_and_needs_nothing_of_ours():
    """It is compiled, and the environments of the frameworks run it: see check_scripts.py."""
    said = ask("repro", "restore/refused_checkpoint_changes_nothing", "torch_nn[module]", "--runs", RUNS)
    assert {"numpy", "torch"} == {
        name for line in said.splitlines() for name in re.findall(r"^(?:import|from) (\w+)", line)
    }
    assert "there should be one  <- differs" in said
    compile(said, "script", "exec")


def test_a_ported_layer_is_held_against_all_that_can_move():
    """What stands still in the one and moves in the other is looked at, and one wide bound hides no narrow one."""
    like = ("torch_nn[module]", "--as", "keras_layers-functional*tensorflow-2.21*", "--runs", RUNS)
    said = ask("repro", "formula/without_center", *like)
    assert re.search(
        r'"2 train batch", \{\n    "output": .*\n    "moving_mean": .*\n    "moving_variance": \[4\],', said
    )
    said = ask("repro", "numerics/scales_of_channels_do_not_mix", "torch_nn[module]", "--runs", RUNS)
    assert re.search(r'\{"output": \[\[\d\.\de-02, 0, 0\], \[\d\.\de-02, \d\.\de-06, 0\]\]\}\)', said)


def test_what_should_not_be_there_and_other_dtypes_are_told():
    """A gradient of a layer that is frozen, and statistics of another type than another target's."""
    said = ask("repro", "backward/inference_mode_freezes_no_parameter", "torch_nn[eval_to_freeze]", "--runs", RUNS)
    assert '    "gamma_gradient": None,\n' in said
    assert "should not be there, and is  <- differs" in said
    words = ("numerics/float16_statistics_stand_still", "torch_nn[module]", "--as", "flax_linen[jit]")
    said = ask("repro", *words, "--runs", RUNS)
    assert re.search(r"\{'moving_mean': 'float32', 'moving_variance': 'float32'.*\}\)", said)


V1 = "tensorflow_v1-{}-tensorflow-1.15.5"


def test_a_script_ends_before_what_the_target_does_not_have():
    """With nothing that only later steps would need; what was seen until then is shown."""
    said = ask("repro", "masks/keeping_everything_is_no_mask", V1.format("contrib"), "--runs", RUNS)
    assert re.findall(r"^# \d .*", said, re.MULTILINE) == ["# 1 save start", "# 2 train batch", "# 3 restore start"]
    assert re.findall(r"^(\w+) = np", said, re.MULTILINE) == ["batch"]


def test_what_cannot_be_built_has_a_script():
    """It raises before its first step."""
    said = ask("repro", "restore/layer_without_scale_and_center", V1.format("saver_trainable"), "--runs", RUNS)
    assert "Saver(tf.trainable_variables())" in said
    assert "# 4 predict batch" in said


def test_a_script_sees_the_smallest_divergence():
    """It allows for less where that is smaller than what a script allows for."""
    case = "questions/trainable_false/ten_predictions_of_a_frozen_layer"
    for mode, allowed in ("contrib", "1e-6"), ("update_ops", "1e-4"):
        assert f"allowed = {allowed}, " in ask("repro", case, V1.format(mode), "--runs", RUNS)


def test_an_issue_has_what_is_expected_what_is_seen_and_the_versions():
    """A bug report that can be pasted."""
    said = ask("repro", "restore/refused_checkpoint_changes_nothing", "torch_nn[module]", "--issue", "--runs", RUNS)
    assert "Seen: step 3: moving_mean is 57 where 0 was promised" in said
    assert re.search(r"^Versions: python 3\.\d+\.\d+, .*torch 2\.13\.0", said, re.MULTILINE)
    assert "```python\n# A checkpoint" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("modes/nothing", "torch_nn[module]"), "no case matches"),
        (("freeze/frozen_from_the_start", "flax_linen[jit]"), "has no observation of this case"),
        (
            ("formula/without_center", "tensorflow_ops-moments-tensorflow-1.15.5"),
            "there is no script for this: the template has no graph with a session",
        ),
        (
            ("numerics/bfloat16_layer", "torch_nn[module]", "--as", "flax_linen[jit]"),
            "there is no script for this: scripts cannot tell bfloat16 from float32",
        ),
    ],
)
def test_what_has_no_script_is_told(words, message):
    """With the reason."""
    assert message in ask("repro", *words, "--runs", RUNS, status=2)


def test_what_becomes_of_the_first_divergence_is_told():
    """It grows, or it is gone, or it stays, of which nothing is said."""
    doubling = {"id": "x", "steps": simulated(case(TRAINED), STANDARD)}
    for number, step in enumerate(doubling["steps"]):
        step["quantities"]["moving_mean"] = encode(np.float32([10 * 4**number, 0]))
    result = judge(case(TRAINED), doubling, STANDARD)
    assert list(range(7)) == [step for step, _ in result.growth]
    assert re.fullmatch(r" and grows to .* times at step 7", growth(result))
    one = case(TRAINED)
    line = {"id": "x", "steps": simulated(one, STANDARD)}
    line["steps"][0]["quantities"]["moving_mean"] = encode(np.float32([7, 7]))
    assert " and is gone at step 2" == growth(judge(one, line, STANDARD))
    assert "" == growth(judge(one, {"id": "x", "steps": simulated(one, STANDARD)}, STANDARD))
