"""Cases at random: a layer or a network, any order of steps, any dialect."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from helpers import case
from hypothesis import strategies as st

from conformance.dialect import KNOBS, STANDARD
from conformance.dtypes import DTYPES

EIGHTHS = st.integers(-80, 80).map(lambda n: n / 8)
TENTHS = st.integers(-80, 80).map(lambda n: n / 10)  # what every type rounds
NUMBERS = EIGHTHS | TENTHS
POSITIVE = st.integers(1, 200).map(lambda n: n / 8)
MOMENTA = st.sampled_from([0.0, 0.1, 0.5, 0.75, 0.9, 0.99, 1.0])
EPSILONS = st.sampled_from(["0.000001", "0.001", "1.0", "5.0"])
TRUTHS = st.sampled_from(["true", "false"])
FLAGS = st.sampled_from(["true", "false", "unset"])
DIALECTS = st.fixed_dictionaries({knob: st.sampled_from(values) for knob, values in KNOBS.items()}).map(STANDARD.under)
ADAM = "adam: {learning_rate: 0.01, epsilon: 0.001}"  # so large that rounding does not decide on signs


def nested(draw, numbers, shape):
    """Nested lists of drawn numbers."""
    return draw(numbers) if not shape else [nested(draw, numbers, shape[1:]) for _ in range(shape[0])]


def norm(draw, features, more="", *, track=True, baked=True):
    """The settings of a batch normalisation, in YAML's flow style, and its variables with what they may hold."""
    scale, center = draw(st.booleans()), draw(st.booleans())
    keys = {"features": features, "momentum": draw(MOMENTA), "epsilon": draw(EPSILONS)}
    keys |= {"scale": str(scale).lower(), "center": str(center).lower(), "track": str(track).lower()}
    keys["trainable"] = draw(st.sampled_from(["true", "true", "false"]))
    keys |= draw(st.sampled_from([{}, {}, {}, {"training": "true"}, {"training": "false"}])) if baked else {}
    present = {"moving_mean": NUMBERS, "moving_variance": POSITIVE} if track else {}
    present |= ({"gamma": NUMBERS} if scale else {}) | ({"beta": NUMBERS} if center else {})
    keys |= {name: nested(draw, values, [features]) for name, values in present.items() if draw(st.booleans())}
    return "{%s%s}" % (more, ", ".join(f"{key}: {value}" for key, value in keys.items())), present


@dataclass
class Course:
    """What steps may speak of. data: for the whole model and each nested one the names of its data."""

    draw: Any
    data: dict[str, list[str]]
    variables: dict[str, tuple[Any, list[int]]]
    owners: list[str]
    single: bool
    saved: list[str] = field(default_factory=list)
    exported: list[str] = field(default_factory=list)

    def choose(self, several):
        """One of several."""
        return self.draw(st.sampled_from(list(several)))

    def passed(self):
        """The data of a pass, and the model that they go through."""
        through = self.choose(self.data)
        return self.choose(self.data[through]), f", through: {through}" if through else ""

    def step(self, verb):
        """One step, in YAML's flow style."""
        if verb in ("train", "predict", "call", "backward", "fit", "evaluate"):
            return self.passing(verb)
        if verb in ("freeze", "unfreeze"):
            return f"{{{verb}: {{of: {self.choose(self.owners)}, recompile: {self.draw(TRUTHS)}}}}}"
        if verb == "mode":
            return f"{{mode: {{of: {self.choose(self.owners)}, training: {self.draw(TRUTHS)}}}}}"
        if verb in ("save", "export"):
            names = self.saved if verb == "save" else self.exported
            names.append(f"{verb}{len(names)}")
            return f"{{{verb}: {names[-1]}}}"
        if verb == "restore" and self.saved:
            return self.restore()
        if verb == "set" and self.variables:
            name = self.choose(self.variables)
            return f"{{set: {{{name}: {nested(self.draw, *self.variables[name])}}}}}"
        return "{train: a}"

    def restore(self):
        """A restore, sometimes into other settings."""
        names = (
            st.lists(st.sampled_from(list(self.variables)), max_size=2, unique=True) if self.variables else st.just([])
        )
        omit = self.draw(names)
        into = self.choose(["same", "fresh"])
        others = f", settings: {{momentum: {self.draw(MOMENTA)}, epsilon: {self.draw(EPSILONS)}}}"
        settings = others if self.single and into == "fresh" and self.draw(st.booleans()) else ""
        return f"{{restore: {self.choose(self.saved)}, into: {into}, omit: [{', '.join(omit)}]{settings}}}"

    def passing(self, verb):
        """A step that sends data through the layers."""
        data, through = self.passed()
        if verb == "backward":
            return f"{{backward: {data}, upstream: up_{data}, training: {self.draw(TRUTHS)}}}"
        if verb == "fit":
            name = self.choose(["sgd: {learning_rate: 0.01}", ADAM])
            numbers = f"epochs: {self.draw(st.integers(1, 2))}, batch_size: {self.draw(st.integers(1, 4))}"
            validation = self.choose(["", f", validation: {data}, validation_targets: up_{data}"])
            return f"{{fit: {data}, targets: up_{data}, optimizer: {{{name}}}, {numbers}{validation}{through}}}"
        if verb == "evaluate":
            return f"{{evaluate: {data}, targets: up_{data}{through}}}"
        mask = self.choose(["", f", mask: mask_{data}"])
        if verb == "call":
            return f"{{call: {data}, training: {self.draw(FLAGS)}{mask}{through}}}"
        if verb == "predict" and self.exported and self.draw(st.booleans()):
            return f"{{predict: {data}, exported: {self.choose(self.exported)}}}" if not through else "{train: a}"
        return f"{{{verb}: {data}{mask}{through}}}"


@st.composite
def layers(draw):
    """A single layer of rank 2 to 5 with up to nine steps, some batches empty or masked entirely."""
    features, track, dtype = draw(st.integers(1, 3)), draw(st.sampled_from([True] * 4 + [False])), draw(TYPES)
    settings, present = norm(draw, features, f"dtype: {dtype}, ", track=track)
    shapes = {name: [draw(st.integers(1, 4)), *draw(LENGTHS), features] for name in "ab"}
    data = _data(draw, shapes, {name: [*shape[:-1], features] for name, shape in shapes.items()})
    data |= {"none": f"{{random_state: 1, normal: [0, {features}]}}", "mask_none": "{random_state: 1, normal: [0]}"}
    data["up_none"] = data["none"]
    variables = {name: (values, [features]) for name, values in present.items()}
    verbs = ["train", "train", "predict", "call", "evaluate", "backward", "freeze", "unfreeze", "mode", "save",
             "restore", "set", "export"]  # fmt: skip
    course = Course(draw, {"": ["a", "a", "b", "none"]}, variables, ["layer", "model"], single=True)
    return _case(course, f"layer: {settings}", data, verbs)


TYPES = st.sampled_from(["float32", "float32", *DTYPES])
LENGTHS = st.lists(st.integers(1, 2), max_size=3)


@st.composite
def networks(draw):
    """A network with a nested model and a shared layer, that is fitted between other steps."""
    inputs, hidden = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    settings, present = norm(draw, hidden, "name: norm, ")
    deep, deeper = norm(draw, hidden, "name: deep, ", baked=False)
    curve = draw(st.sampled_from(["tanh", "sigmoid"]))  # at the kink of a relu rounding decides; the corpus has relus
    inner = [f"batch_norm: {deep}", f"activation: {curve}"]
    inner.insert(draw(st.integers(0, 2)), draw(st.sampled_from(["again: norm", f"activation: {curve}"])))
    entries = [
        f"dense: {{name: stem, kernel: {nested(draw, EIGHTHS, [inputs, hidden])}}}",
        f"batch_norm: {settings}",
        "model: {name: base, layers: [%s]}" % ", ".join(f"{{{entry}}}" for entry in inner),
        f"dense: {{name: head, kernel: {nested(draw, EIGHTHS, [hidden, 1])}, bias: {nested(draw, EIGHTHS, [1])}}}",
    ]
    shapes = {name: [draw(st.integers(1, 5)), inputs] for name in "ab"} | {"h": [draw(st.integers(1, 5)), hidden]}
    widths = {"a": 1, "b": 1, "h": hidden}
    data = _data(draw, shapes, {name: [*shape[:-1], widths[name]] for name, shape in shapes.items()})
    variables = {f"norm.{name}": (values, [hidden]) for name, values in present.items()}
    variables |= {f"deep.{name}": (values, [hidden]) for name, values in deeper.items()}
    variables |= {"stem.kernel": (EIGHTHS, [inputs, hidden]), "head.bias": (EIGHTHS, [1])}
    verbs = ["fit", "fit", "fit", "train", "predict", "call", "evaluate", "freeze", "unfreeze", "mode", "save",
             "restore", "set", "export"]  # fmt: skip
    owners = ["norm", "deep", "base", "model", "stem"]
    course = Course(draw, {"": ["a", "b"], "base": ["h"]}, variables, owners, single=False)
    return _case(course, "network: [%s]" % ", ".join(f"{{{entry}}}" for entry in entries), data, verbs)


def _data(draw, shapes, upstream):
    lines = {name: nested(draw, NUMBERS, shape) for name, shape in shapes.items()}
    lines |= {f"up_{name}": nested(draw, NUMBERS, shape) for name, shape in upstream.items()}
    for name, shape in shapes.items():
        mask = np.array(nested(draw, st.integers(0, 1), shape[:-1]))
        lines[f"mask_{name}"] = mask.tolist()
    return lines


def _case(course, subject, data, verbs):
    chosen = course.draw(st.lists(st.sampled_from(verbs), min_size=1, max_size=9))
    steps = ", ".join(course.step(verb) for verb in chosen)
    lines = ", ".join(f"{name}: {values}" for name, values in data.items())
    return case(f"{subject}\ndata: {{{lines}}}\nsteps: [{steps}]")
