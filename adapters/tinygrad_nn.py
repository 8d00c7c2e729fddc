"""Drives tinygrad.nn.BatchNorm: Context(TRAINING=1) says what a pass is, and the environment's DEV what computes."""

import functools
from importlib.metadata import version

import numpy as np
from tinygrad import Context, Device, Tensor, dtypes, nn

ACTIVATIONS = {"tanh": Tensor.tanh, "relu": Tensor.relu, "sigmoid": Tensor.sigmoid}
ATTRIBUTES = {  # {quantity: its attribute, which is its key in a checkpoint too}
    "batch_norm": {"moving_mean": "running_mean", "moving_variance": "running_var", "gamma": "weight", "beta": "bias"},
    "dense": {"kernel": "weight", "bias": "bias"},
}


class Unsupported(Exception):
    """tinygrad has no such thing."""


def describe():
    return {
        "framework": "tinygrad",
        "version": version("tinygrad"),
        "modes": {"eager": {}, "nonstrict": {"missing_statistics": "kept"}},
        "about": {"nonstrict": ["RESTORE-3"]},
        "dialect": {
            # undocumented, as coded in 0.14.0
            "variance": "sample",
            "missing_statistics": "refused",
            "adam_epsilon": "corrected",
            # undocumented, as observed in 0.14.0
            "one_value_per_channel": "refuses",
            "empty_batch": "nan",
            "state_dtype": "layer",
            # training is off unless it is switched on, and an optimizer is made for the parameters that it is given:
            # https://github.com/tinygrad/tinygrad/blob/1952f87/docs/mnist.md
            "bare_call": "infers",
            "freeze_takes_effect": "at_compile",
            "frozen_training_call": "trains",
        },
    }


def use(device):
    Device.DEFAULT = device.upper()


def tensor(x, dtype="float32"):
    """(N, ..., C) -> (N, C, ...), on the device."""
    return Tensor(np.ascontiguousarray(np.moveaxis(x, -1, 1)), dtype=getattr(dtypes, dtype))


def array(y):
    """(N, C, ...) -> (N, ..., C), in NumPy."""
    return values(y.permute(0, *range(2, y.ndim), 1))


def values(y):
    """In NumPy, which has no bfloat16."""
    return ("bfloat16", y.float().numpy()) if y.dtype == dtypes.bfloat16 else y.numpy()


def batch_norm(layer):
    if layer["training"] is not None:
        raise Unsupported("a context says what a pass is, it is not baked into a layer")
    if layer["center"] != layer["scale"]:
        raise Unsupported("affine=False leaves out gamma and beta together")
    module = nn.BatchNorm(
        layer["features"],
        eps=layer["epsilon"],
        momentum=round(1 - layer["momentum"], 15),  # of the new statistic: 0.01, which 1 - 0.99 is not
        affine=layer["scale"],
        track_running_stats=layer.get("track", True),
    )
    for variable in nn.state.get_parameters(module):
        if variable.is_floating_point():
            variable.replace(variable.cast(getattr(dtypes, layer["dtype"])).contiguous())
    return module


def build(entry, made, place):
    if entry["kind"] == "activation":
        return ACTIVATIONS[entry["function"]]
    if entry["kind"] == "dense":
        return nn.Linear(entry["inputs"], entry["units"], entry["use_bias"])
    return batch_norm(entry) if entry["kind"] == "batch_norm" else Stack(entry["layers"], made, place)


class Stack:
    """Layers in order; `made` are those so far, {name: (layer, place)}, of which one may stand again."""

    def __init__(self, entries, made, place=""):
        order = []
        for entry in entries:
            name = entry["name"]
            if entry["kind"] != "again":
                made[name] = build(entry, made, place + name + "."), place + name + "."
                setattr(self, name, made[name][0])
            order.append(made[name][0])
        self.forward = lambda x: functools.reduce(lambda y, layer: layer(y), order, x)

    def __call__(self, x):
        return self.forward(x)


def make_optimizer(parameters, name, learning_rate, beta_1=None, beta_2=None, epsilon=None):
    if name == "sgd":
        return nn.optim.SGD(parameters, learning_rate)
    if name == "adam":
        return nn.optim.Adam(parameters, learning_rate, beta_1, beta_2, epsilon)
    raise Unsupported(f"this adapter has no optimizer {name}")


class Model:
    """A layer, its `parts` by name, and the `places` of its quantities: (tensor, key in a checkpoint)."""

    def __init__(self, layer, made, entries, mode, dtype="float32"):
        self.layer, self.variant, self.dtype, self.optimizer = layer, mode, dtype, None
        self.parts = {"layer": layer, "model": layer, **{name: part for name, (part, _) in made.items()}}
        self.places = {}
        for name, entry in entries:
            part, place = made.get(name, (layer, ""))
            prefix = name and name + "."
            for quantity, attribute in ATTRIBUTES[entry["kind"]].items():
                if getattr(part, attribute, None) is not None:
                    self.places[prefix + quantity] = getattr(part, attribute), place + attribute
            given = {"kernel": np.zeros((entry["inputs"], entry["units"]))} if entry["kind"] == "dense" else {}
            given.update(entry["variables"])
            self.set({prefix + quantity: value for quantity, value in given.items()})
            if not entry.get("trainable", True):
                self.mark(name or "layer", False)

    def state(self):  # a dense kernel is (out, in) here; .T leaves vectors as they are
        return {name: values(variable.transpose(0, -1)) for name, (variable, _) in self.places.items()}

    def set(self, given):
        for name, value in given.items():
            variable = self.places[name][0]
            variable.assign(Tensor(np.ascontiguousarray(value.T), dtype=variable.dtype)).realize()

    def forward(self, x, training, through="model"):
        with Context(TRAINING=training):
            return self.parts[through](tensor(x, self.dtype))

    def train(self, x, through="model"):
        return array(self.forward(x, 1, through))

    def predict(self, x, through="model"):
        return array(self.forward(x, 0, through))

    def call(self, x, training, through="model"):
        if training is None:
            return array(self.parts[through](tensor(x, self.dtype)))
        return array(self.forward(x, int(training), through))

    def evaluate(self, x, targets, loss, through="model"):
        return mse(self.forward(x, 0, through), targets).numpy()

    def fit(self, x, targets, loss, optimizer, epochs, batch_size, validation=None, validation_targets=None):
        if loss != "mse":
            raise Unsupported(f"this adapter has no loss {loss}")
        self.optimizer = self.optimizer or make_optimizer(nn.state.get_parameters(self.layer), **optimizer)
        for _ in range(epochs):
            for start in range(0, len(x), batch_size):
                batch = slice(start, start + batch_size)
                with Context(TRAINING=1):
                    self.optimizer.zero_grad()
                    mse(self.layer(tensor(x[batch])), targets[batch]).backward()
                    self.optimizer.step()
            if validation is not None:
                self.evaluate(validation, validation_targets, loss)

    def freeze(self, of, recompile):
        self.set_trainable(of, False, recompile)

    def unfreeze(self, of, recompile):
        self.set_trainable(of, True, recompile)

    def set_trainable(self, of, trainable, recompile):
        self.mark(of, trainable)
        if recompile:  # nothing is compiled here: to begin anew is to make a new optimizer
            self.optimizer = None

    def mark(self, of, trainable):
        """Say which tensors are parameters; the statistics never are."""
        learning = {id(variable) for name, (variable, _) in self.places.items() if "moving" not in name}
        for variable in nn.state.get_parameters(self.parts[of]):
            if id(variable) in learning:
                variable.is_param_(trainable)

    def save(self, path):
        nn.state.safe_save(nn.state.get_state_dict(self.layer), path + ".safetensors")

    def restore(self, path, omit=()):
        saved = nn.state.safe_load(path + ".safetensors")
        for name in omit:
            del saved[self.places[name][1]]
        nn.state.load_state_dict(self.layer, saved, strict=self.variant != "nonstrict", verbose=False)


def mse(output, targets):
    return (output - tensor(targets)).square().mean()


class Layer(Model):
    def __init__(self, layer, mode, workdir):
        super().__init__(batch_norm(layer), {}, [("", {"kind": "batch_norm", **layer})], mode, layer["dtype"])

    def backward(self, x, upstream, training):
        inputs = tensor(x, self.dtype)
        learning = {name: self.places[name][0] for name in ("gamma", "beta") if name in self.places}
        learning = {name: variable for name, variable in learning.items() if variable.is_param}
        with Context(TRAINING=0 if training is None else int(training)):
            output = self.layer(inputs)
        by = output.gradient(inputs, *learning.values(), gradient=tensor(upstream, self.dtype))
        found = {"output": array(output), "input_gradient": array(by[0])}
        found.update((name + "_gradient", values(gradient)) for name, gradient in zip(learning, by[1:], strict=True))
        return found


class Network(Model):
    def __init__(self, network, mode, workdir):
        made = {}
        super().__init__(Stack(network, made), made, list(flat(network)), mode)


def flat(network):
    """The entries of a network and of those in it that have variables, by name."""
    for entry in network:
        if entry["kind"] in ATTRIBUTES:
            yield entry["name"], entry
        yield from flat(entry.get("layers", ()))
