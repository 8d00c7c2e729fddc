"""The reference against numbers worked out by hand, differences instead of derivatives, and plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers import case
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.dialect import KNOBS, STANDARD
from conformance.judge import in_bounds
from conformance.reference import replay, trace
from conformance.slips import slipped

LAYER = "layer: {features: 1, momentum: 0.9, epsilon: 0.001}"
BATCH = "data: {b: [[1], [5]], one: [[7]], up: [[1], [0]], up3: [[1], [0], [2]], three: [[1], [5], [9]],\
  none: {random_state: 1, normal: [0, 1]}, zeros: [0, 0], tenth: [[0.1], [0.1]]}"


def after(steps: str, layer: str = LAYER, **changes: str) -> dict[str, list[float]]:
    """The quantities after the last step, under the standard with changes."""
    outcome = trace(case(f"{layer}\n{BATCH}\nsteps: {steps}"), STANDARD.under(changes))[-1]
    return {name: value.expected.ravel().tolist() for name, value in outcome.quantities.items()}


def raises(steps: str, layer: str = LAYER, **changes: str) -> list[bool]:
    """Which steps are refused."""
    return [outcome.raises for outcome in trace(case(f"{layer}\n{BATCH}\nsteps: {steps}"), STANDARD.under(changes))]


TRAINED = {"moving_mean": [0.3], "moving_variance": [1.3]}
FRESH = {"moving_mean": [0.0], "moving_variance": [1.0]}
FROZEN = LAYER.replace("}", ", trainable: false}")
BAKED = LAYER.replace("}", ", training: true}")
SGD = "targets: b, optimizer: {sgd: {learning_rate: 0}}, batch_size: 2"
BY_HAND = [
    ("[train: b]", LAYER, {}, TRAINED),
    ("[train: b, train: b]", LAYER, {}, {"moving_mean": [0.57], "moving_variance": [1.57]}),
    ("[train: b]", LAYER, {"variance": "sample"}, {"moving_mean": [0.3], "moving_variance": [1.7]}),
    ("[train: b]", LAYER, {"startup": "zero_debias"}, {"moving_mean": [3], "moving_variance": [4]}),
    ("[train: b, train: three]", LAYER, {"startup": "cumulative"}, {"moving_mean": [4], "moving_variance": [22 / 3]}),
    ("[train: b]", LAYER, {"startup": "first_batch"}, {"moving_mean": [3], "moving_variance": [4]}),
    ("[train: b, train: b, train: b]", LAYER, {"startup": "zero_debias"}, {"moving_mean": [3], "moving_variance": [4]}),
    ("[predict: b]", LAYER, {}, FRESH),
    ("[predict: b]", LAYER, {"initial_variance": "zero"}, {**FRESH, "moving_variance": [0.0]}),
    (
        "[train: b, train: b, predict: one]",
        LAYER,
        {"startup": "debiased_in_inference"},
        {"moving_mean": [0.57], "output": [4 / (1.57 / 0.19 + 0.001) ** 0.5]},
    ),
    (
        "[train: b, {save: a}, {restore: a, into: fresh, settings: {momentum: 0.5}}, train: b]",
        LAYER,
        {"startup": "zero_debias"},
        {"moving_mean": [1.65 / 0.75]},  # the hidden average 0.3 is kept, and 1 - 0.5² divides it
    ),
    ("[{call: b, training: true}]", LAYER, {}, TRAINED),
    ("[{call: b, training: false}]", LAYER, {}, FRESH),
    ("[{call: b, training: unset}]", LAYER, {}, FRESH),
    ("[{call: b, training: unset}]", LAYER, {"bare_call": "trains"}, TRAINED),
    ("[{call: b, training: unset}]", LAYER, {"bare_call": "as_last_set"}, TRAINED),
    ("[predict: b, {call: b, training: unset}]", LAYER, {"bare_call": "as_last_set"}, FRESH),
    (
        "[{call: b, training: unset}]",
        LAYER,
        {"bare_call": "as_last_set", "initial_mode": "inference"},
        FRESH,
    ),
    ("[train: one]", LAYER, {"one_value_per_channel": "hands_on"}, {**FRESH, "output": [7.0]}),
    ("[predict: b, {call: b, training: unset}]", LAYER, {"bare_call": "trains"}, TRAINED),
    ("[train: b]", FROZEN, {}, {**FRESH, "output": [1 / 1.001**0.5, 5 / 1.001**0.5]}),
    ("[train: b]", FROZEN, {"frozen_training_call": "trains"}, TRAINED),
    (
        "[train: b]",
        FROZEN,
        {"frozen_training_call": "batch_statistics"},
        {**FRESH, "output": [-2 / 4.001**0.5, 2 / 4.001**0.5]},
    ),
    ("[{freeze: {of: layer}}, train: b]", LAYER, {}, FRESH),
    ("[{freeze: {of: model}}, {unfreeze: {of: model}}, train: b]", LAYER, {}, TRAINED),
    ("[{freeze: {}}, {fit: b, %s}]" % SGD, LAYER, {}, FRESH),
    ("[{fit: b, %s}, {freeze: {}}, {fit: b, %s}]" % (SGD, SGD), LAYER, {}, TRAINED),
    (
        "[{fit: b, %s}, {freeze: {}}, {fit: b, %s}]" % (SGD, SGD),
        LAYER,
        {"freeze_takes_effect": "at_compile"},
        {"moving_mean": [0.57], "moving_variance": [1.57]},
    ),
    (
        "[{fit: b, %s}, {freeze: {recompile: true}}, {fit: b, %s}]" % (SGD, SGD),
        LAYER,
        {"freeze_takes_effect": "at_compile"},
        TRAINED,
    ),
    ("[predict: b]", BAKED, {}, TRAINED),
    ("[predict: b]", BAKED, {"baked_training": "overridden"}, FRESH),
    ("[predict: b]", BAKED, {"baked_training": "refused"}, TRAINED),
    ("[{call: b, training: unset}]", BAKED, {"baked_training": "overridden"}, TRAINED),
    ("[train: one]", LAYER, {}, {"moving_mean": [0.7], "moving_variance": [0.9], "output": [0.0]}),
    ("[train: b, {save: a}, train: b, {restore: a, into: fresh}]", LAYER, {}, TRAINED),
    ("[train: b, {save: a}, train: b, {restore: a, into: same}]", LAYER, {}, TRAINED),
    (
        "[train: b, {save: a}, {restore: a, into: fresh, omit: [moving_mean]}]",
        LAYER,
        {"missing_statistics": "kept"},
        {"moving_mean": [0.0], "moving_variance": [1.3]},
    ),
    ("[{set: {moving_mean: [8]}}]", LAYER, {}, {"moving_mean": [8], "moving_variance": [1.0]}),
    (
        "[train: b]",
        LAYER,
        {"training_normalisation": "moving"},
        {**TRAINED, "output": [0.7 / 1.301**0.5, 4.7 / 1.301**0.5]},
    ),
    ("[train: one]", LAYER, {"variance": "sample"}, {"moving_mean": [0.7], "moving_variance": [math.nan]}),
    (
        "[train: one]",
        LAYER,
        {"variance": "sample", "single_value_variance": "population"},
        {"moving_mean": [0.7], "moving_variance": [0.9]},
    ),
    ("[train: none]", LAYER, {}, FRESH),
    ("[train: none]", LAYER, {"empty_batch": "nan"}, {"moving_mean": [math.nan], "moving_variance": [math.nan]}),
    ("[train: none]", LAYER, {"empty_batch": "zeros"}, {"moving_mean": [0.0], "moving_variance": [0.9]}),
    ("[{train: b, mask: zeros}]", LAYER, {}, {**FRESH, "output": [1 / 1.001**0.5, 5 / 1.001**0.5]}),
    (
        "[{train: b, mask: zeros}]",
        LAYER,
        {"masked_batch": "nan"},
        {"moving_mean": [math.nan], "output": [math.nan, math.nan]},
    ),
    (
        "[{train: b, mask: zeros}]",
        LAYER,
        {"masked_batch": "zeros"},
        {"moving_mean": [0.0], "moving_variance": [0.9], "output": [1 / 0.001**0.5, 5 / 0.001**0.5]},
    ),
    ("[{save: a}, {restore: a, into: fresh, settings: {momentum: 0.5}}, train: b]", LAYER, {}, {"moving_mean": [1.5]}),
    (
        "[{save: a}, {restore: a, into: fresh, settings: {momentum: 0.5}}, train: b]",
        LAYER,
        {"settings_restored": "checkpoint"},
        TRAINED,
    ),
    ("[train: b]", LAYER.replace("}", ", track: false}"), {}, {"output": [-2 / 4.001**0.5, 2 / 4.001**0.5]}),
    ("[predict: b]", LAYER.replace("}", ", track: false}"), {}, {"output": [-2 / 4.001**0.5, 2 / 4.001**0.5]}),
    ("[{mode: {training: false}}, {call: b, training: unset}]", LAYER, {"bare_call": "as_last_set"}, FRESH),
    (
        "[{evaluate: b, targets: three}]".replace("three", "b"),
        FROZEN,
        {},
        {"loss": [26 / 2 * (1 - 1 / 1.001**0.5) ** 2]},
    ),
    (
        "[train: b, {export: e}, train: b, {predict: b, exported: e}]",
        LAYER,
        {},
        {"output": [0.7 / 1.301**0.5, 4.7 / 1.301**0.5]},
    ),
    # 0.1 in float16 is 0.0999755859375
    ("[predict: tenth]", LAYER.replace("0.001}", "3, dtype: float16}"), {}, {"output": [0.0999755859375 / 2] * 2}),
    ("[predict: tenth]", LAYER.replace("0.001}", "3, dtype: bfloat16}"), {}, {"output": [0.10009765625 / 2] * 2}),
]
NETWORK = """
network:
  - batch_norm: {name: first, features: 1, momentum: 0.9, epsilon: 0.001}
  - model: {name: base, layers: [batch_norm: {name: norm, features: 1, momentum: 0.9, epsilon: 0.001}]}
"""
TWICE = """
network:
  - batch_norm: {name: norm, features: 1, momentum: 0.9, epsilon: 0.001}
  - again: norm
"""
ON_NETWORKS = [
    ("[{train: b, through: base}]", NETWORK, {"norm.moving_mean": [0.3], "first.moving_mean": [0.0]}),
    ("[{freeze: {of: base}}, train: b]", NETWORK, {"norm.moving_mean": [0.0], "first.moving_mean": [0.3]}),
    ("[{freeze: {of: model}}, train: b]", NETWORK, {"norm.moving_mean": [0.0], "first.moving_mean": [0.0]}),
    ("[train: b]", TWICE, {"norm.moving_mean": [0.27], "norm.moving_variance": [0.9 * 1.3 + 0.1 * 4 / 4.001]}),
]


@pytest.mark.parametrize(("steps", "network", "expected"), ON_NETWORKS)
def test_networks_by_hand(steps, network, expected):
    """A nested model shares its layers with the enclosing one, and a layer that is called twice moves twice."""
    shown = after(steps, network)
    assert {name: pytest.approx(values, rel=1e-12, nan_ok=True) for name, values in expected.items()} == {
        name: shown[name] for name in expected
    }


def test_a_layer_called_twice_learns_from_both_calls():
    """Its gradients are the sums over its calls: here against central differences of the loss in beta."""
    up = 1e-4
    fit = "[{fit: b, targets: three2, optimizer: {sgd: {learning_rate: 1}}, batch_size: 2}]"
    data = BATCH.replace("zeros:", "three2: [[1], [9]], zeros:")

    def loss(beta: float) -> float:
        network = TWICE.replace("0.001}", f"0.001, beta: [{beta}]}}")
        steps = "[{call: b, training: true}]"
        output = trace(case(f"{network}\n{data}\nsteps: {steps}"), STANDARD)[-1].quantities["output"].expected
        return float(np.mean((output.ravel() - [1, 9]) ** 2))

    moved = trace(case(f"{TWICE}\n{data}\nsteps: {fit}"), STANDARD)[-1].quantities["norm.beta"].expected
    assert -(loss(up) - loss(-up)) / (2 * up) == pytest.approx(moved[0], rel=1e-6)


def test_validation_infers_after_each_epoch_and_would_be_seen_to_train():
    """It leaves nothing behind; a slip that runs it in training mode moves the statistics once for each epoch."""
    fit = "{fit: b, targets: b, optimizer: {sgd: {learning_rate: 0}}, batch_size: 2, epochs: 2%s}"
    watched, alone = (
        case(f"{LAYER}\n{BATCH}\nsteps: [{fit % more}]") for more in (", validation: b, validation_targets: b", "")
    )
    shown = trace(watched, STANDARD)[-1].quantities["moving_mean"].expected
    assert trace(alone, STANDARD)[-1].quantities["moving_mean"].expected == pytest.approx(shown)
    four = case(f"{LAYER}\n{BATCH}\nsteps: [{fit % ''}, {fit % ''}]")
    slip = replay(slipped(watched, STANDARD, ["EvaluationTrains"]))[-1].quantities["moving_mean"].expected
    assert slip == pytest.approx(trace(four, STANDARD)[-1].quantities["moving_mean"].expected)


def test_a_checkpoint_of_another_shape_is_refused_under_every_dialect():
    """No convention broadcasts."""
    steps = "[{save: a}, {restore: a, into: fresh, settings: {features: 2}}]"
    assert raises(steps) == raises(steps, missing_statistics="kept") == [False, True]


@pytest.mark.parametrize(
    ("dtype", "changes", "output", "state"),
    [
        ("float32", {}, "float32", "float32"),
        ("float16", {}, "float16", "float32"),
        ("float16", {"state_dtype": "layer"}, "float16", "float16"),
        ("bfloat16", {"state_dtype": "layer"}, "bfloat16", "bfloat16"),
        ("float64", {"state_dtype": "layer"}, "float64", "float64"),
        ("float64", {"state_dtype": "wider"}, "float64", "float64"),
        ("float16", {"state_dtype": "wider"}, "float16", "float32"),
    ],
)
def test_types_of_output_and_state(dtype, changes, output, state):
    """The output has the layer's type, and the state the one that the dialect says."""
    layer = LAYER.replace("}", f", dtype: {dtype}}}")
    shown = trace(case(f"{layer}\n{BATCH}\nsteps: [train: b]"), STANDARD.under(changes))[-1].quantities
    assert [output, state] == [shown["output"].dtype, shown["moving_mean"].dtype]


def test_bounds_follow_the_type_and_the_arithmetic():
    """A statistic kept in float16 has the bound of float16; one computed in it and kept in float32 has so as well."""

    def scale(dtype: str, **changes: str) -> float:
        layer = LAYER.replace("}", f", dtype: {dtype}}}")
        shown = trace(case(f"{layer}\n{BATCH}\nsteps: [train: b]"), STANDARD.under(changes))[-1].quantities
        return float(shown["moving_mean"].scale[0])

    single, half = scale("float32"), 2.0**13
    assert single == pytest.approx(scale("float16"))
    assert single * half == pytest.approx(scale("float16", arithmetic="layer"), rel=0.01)
    assert 1 < scale("float16", state_dtype="layer") / single < half * 1.01
    assert single * 2.0**-29 == pytest.approx(scale("float64", state_dtype="layer"), rel=0.5)


@pytest.mark.parametrize(("steps", "layer", "changes", "expected"), BY_HAND)
def test_by_hand(steps, layer, changes, expected):
    """[1, 5] has mean 3, population variance 4, sample variance 8."""
    shown = after(steps, layer, **changes)
    assert {name: pytest.approx(values, rel=1e-12, nan_ok=True) for name, values in expected.items()} == {
        name: shown[name] for name in expected
    }


def test_every_value_of_every_knob_but_adams_is_tried_by_hand():
    """No convention is without a number that somebody worked out."""
    tried = {(knob, value) for _, _, changes, _ in BY_HAND for knob, value in changes.items()}
    tried |= {(knob, getattr(STANDARD, knob)) for knob in KNOBS}
    tried |= {(knob, value) for _, changes, _ in REFUSED for knob, value in changes.items()}
    elsewhere = {
        ("variance_algorithm", "one_pass"),
        ("adam_epsilon", "uncorrected"),
        ("bare_call", "refuses"),
        ("one_value_per_channel", "refuses"),
        ("missing_statistics", "refused"),
        ("freeze_takes_effect", "refused"),
        ("epsilon_zero", "refuses"),
        ("state_dtype", "layer"),
        ("state_dtype", "wider"),
        ("arithmetic", "layer"),
    }
    assert {(knob, value) for knob, values in KNOBS.items() for value in values} == tried | elsewhere


REFUSED = [
    (
        f"[{{fit: b, {SGD}}}, {{freeze: {{}}}}, {{fit: b, {SGD}}}]",
        {"freeze_takes_effect": "refused"},
        [False, False, True],
    ),
    ("[{call: b, training: unset}, train: b]", {"bare_call": "refuses"}, [True, False]),
    ("[train: one, predict: one]", {"one_value_per_channel": "refuses"}, [True, False]),
    ("[train: none, predict: none]", {"empty_batch": "refuses"}, [True, False]),
    ("[{train: b, mask: zeros}, {predict: b, mask: zeros}]", {"masked_batch": "refuses"}, [True, False]),
    ("[{save: a}, {restore: a, into: same, omit: [gamma]}, train: b]", {}, [False, True, False]),
]


def test_epsilon_zero_is_refused_in_training_alone():
    """Where the dialect has it so."""
    layer = LAYER.replace("0.001", "0")
    assert [False, True] == raises("[predict: b, train: b]", layer, epsilon_zero="refuses")
    assert [False, False] == raises("[predict: b, train: b]", layer)


@pytest.mark.parametrize(("steps", "changes", "expected"), REFUSED)
def test_refusals(steps, changes, expected):
    """What a dialect refuses raises, moves nothing, and does not end the case."""
    assert expected == raises(steps, **changes)


def test_one_pass_variance_only_widens_the_bound():
    """The algorithm of the variance is a matter of rounding, not of value."""
    c = case(f"{LAYER}\ndata: {{b: [[1001], [1005]]}}\nsteps: [train: b]")
    two, one = (
        trace(c, STANDARD.under({"variance_algorithm": kind}))[0].quantities for kind in ("two_pass", "one_pass")
    )
    assert two["moving_variance"].expected == one["moving_variance"].expected
    assert one["moving_variance"].scale > 100 * two["moving_variance"].scale
    assert (one["output"].scale > two["output"].scale).all()


def statistics_of(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and population variance per channel."""
    flat = x.reshape(-1, x.shape[-1])
    return flat.mean(0), flat.var(0)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(4, 2), (3, 2, 2), (2, 2, 2, 2), (2, 1, 2, 2, 2)])
def test_gradients_are_differences(shape, training):
    """Central differences of sum(upstream * output), at every rank."""
    stream = np.random.RandomState(len(shape))
    x, upstream = stream.randn(*shape).astype("f").astype("d"), stream.randn(*shape).astype("f").astype("d")
    gamma, beta, mean, variance, epsilon = (
        np.array([1.5, -2]),
        np.array([0.5, 1]),
        np.array([0.25, 1]),
        np.array([2, 0.5]),
        0.25,
    )

    def loss(x, gamma, beta):
        m, v = statistics_of(x) if training else (mean, variance)
        return (upstream * (gamma * (x - m) / np.sqrt(v + epsilon) + beta)).sum()

    def differences(argument, rest):
        gradient = np.zeros(argument.shape)
        for place in np.ndindex(argument.shape):
            step = np.zeros(argument.shape)
            step[place] = 1e-5
            gradient[place] = (rest(argument + step) - rest(argument - step)) / 2e-5
        return gradient

    text = f"""
layer:
  {{features: 2, momentum: 0.5, epsilon: 0.25, gamma: [1.5, -2], beta: [0.5, 1], moving_mean: [0.25, 1],
    moving_variance: [2, 0.5]}}
data: {{x: {x.tolist()}, u: {upstream.tolist()}}}
steps: [{{backward: x, upstream: u, training: {str(training).lower()}}}]
"""
    shown = trace(case(text), STANDARD)[0].quantities
    np.testing.assert_allclose(
        differences(x, lambda x: loss(x, gamma, beta)), shown["input_gradient"].expected, atol=1e-8
    )
    np.testing.assert_allclose(
        differences(gamma, lambda g: loss(x, g, beta)), shown["gamma_gradient"].expected, atol=1e-8
    )
    np.testing.assert_allclose(
        differences(beta, lambda b: loss(x, gamma, b)), shown["beta_gradient"].expected, atol=1e-8
    )


def test_frozen_layer_has_no_gradients_of_its_own():
    """Only the input's gradient is left, and it is that of inference."""
    shown = after("[{backward: b, upstream: up, training: true}]", FROZEN)
    assert {"output", "input_gradient", "moving_mean", "moving_variance", "gamma", "beta"} == set(shown)
    assert [pytest.approx(1 / 1.001**0.5), 0.0] == shown["input_gradient"]


def test_fit_with_sgd_is_the_plain_loop():
    """Two epochs of 3 rows in batches of 2: four updates, the second and fourth of a single row."""
    x, gamma, beta, mean, variance = np.array([1.0, 5, 9]), 1.0, 0.0, 0.0, 1.0
    for batch in (x[:2], x[2:]) * 2:
        normal = (batch - batch.mean()) / np.sqrt(batch.var() + 0.001)
        mean, variance = 0.9 * mean + 0.1 * batch.mean(), 0.9 * variance + 0.1 * batch.var()
        upstream = 2 * (gamma * normal + beta - batch) / batch.size
        gamma, beta = gamma - 0.5 * (upstream * normal).sum(), beta - 0.5 * upstream.sum()
    shown = after("[{fit: three, targets: three, optimizer: {sgd: {learning_rate: 0.5}}, epochs: 2, batch_size: 2}]")
    expected = {"gamma": gamma, "beta": beta, "moving_mean": mean, "moving_variance": variance}
    assert {name: [pytest.approx(value)] for name, value in expected.items()} == shown


@pytest.mark.parametrize("placing", KNOBS["adam_epsilon"])
def test_fit_with_adam_is_the_plain_loop(placing):
    """Three steps of Adam on beta alone, with epsilon at either place."""
    beta, m, v = 0.0, 0.0, 0.0
    normal = np.array([-1.0, 1]) * 2 / np.sqrt(4.001)
    for t in (1, 2, 3):
        gradient = (2 * (normal + beta - np.array([1.0, 5])) / 2).sum()
        m, v = 0.5 * m + 0.5 * gradient, 0.75 * v + 0.25 * gradient**2
        first, root = m / (1 - 0.5**t), np.sqrt(v / (1 - 0.75**t)) + 0.125
        if placing == "uncorrected":
            root = (np.sqrt(v) + 0.125) / np.sqrt(1 - 0.75**t)
        beta -= 0.25 * first / root
    adam = "adam: {learning_rate: 0.25, beta_1: 0.5, beta_2: 0.75, epsilon: 0.125}"
    fit = f"[{{fit: b, targets: b, optimizer: {{{adam}}}, epochs: 3, batch_size: 2}}]"
    shown = after(fit, LAYER.replace("}", ", scale: false}"), adam_epsilon=placing)
    assert [pytest.approx(beta, rel=1e-12)] == shown["beta"]


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rank=st.integers(2, 5),
    offset=st.sampled_from([0, 1, 100, 10_000]),
    momentum=st.sampled_from([0, 0.5, 0.9, 0.99, 1]),
)
def test_honest_float32_stays_within_the_bounds(seed, rank, offset, momentum):
    """Two-pass NumPy in float32 is never called wrong, however large the mean."""
    stream = np.random.RandomState(seed)
    shape = (4, *stream.randint(1, 4, rank - 2), 2)
    x = (stream.randn(*shape) + offset).astype(np.float32)
    c = case(
        f"layer: {{features: 2, momentum: {momentum}, epsilon: 0.001}}\n"
        f"data: {{x: {x.astype(float).tolist()}}}\nsteps: [train: x, train: x, predict: x]"
    )
    axes, f = tuple(range(rank - 1)), np.float32
    mean, variance = np.zeros(2, f), np.ones(2, f)
    m = x.mean(axes)
    v = ((x - m) ** 2).mean(axes)
    for outcome in trace(c, STANDARD)[:2]:
        mean, variance = f(momentum) * mean + f(1 - momentum) * m, f(momentum) * variance + f(1 - momentum) * v
        seen = {"output": (x - m) / np.sqrt(v + f(0.001)), "moving_mean": mean, "moving_variance": variance}
        worst = {name: float(in_bounds(array, outcome.quantities[name]).max()) for name, array in seen.items()}
        assert all(error <= 1 for error in worst.values()), worst


@pytest.mark.parametrize("count", [8, 64, 1024, 65_536])
def test_the_bounds_see_what_they_must(count):
    """÷n against ÷(n-1) is told apart at any n, where a fixed tolerance of 1e-3 is blind from n = 1000 on."""
    c = case(f"{LAYER}\ndata: {{x: {{random_state: 1, normal: [{count}, 1]}}}}\nsteps: [train: x]")
    sample = trace(c, STANDARD.under({"variance": "sample"}))[0].quantities["moving_variance"].expected
    error = in_bounds(sample.astype(np.float32), trace(c, STANDARD)[0].quantities["moving_variance"])
    assert error > (1 if count > 10_000 else 10)
