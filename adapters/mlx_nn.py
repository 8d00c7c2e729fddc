"""Drives mlx.nn.BatchNorm: train() and eval() say what a pass is; mode compile puts every pass through mx.compile."""

import functools

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from mlx.utils import tree_flatten, tree_unflatten

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}
KEYS = {  # {quantity: its key among the parameters}
    "batch_norm": {"moving_mean": "running_mean", "moving_variance": "running_var", "gamma": "weight", "beta": "bias"},
    "dense": {"kernel": "weight", "bias": "bias"},
}


class Unsupported(Exception):
    """MLX has no such thing."""


def describe():
    return {
        "framework": "mlx",
        "version": mx.__version__,
        "modes": {
            "module": {},
            # undocumented, as observed in 0.32.4: what is frozen is no argument of the compiled step
            "compile": {"freeze_takes_effect": "at_compile"},
            "eval_to_freeze": {"frozen_training_call": "infers"},
            # https://github.com/ml-explore/mlx/blob/004c1d8/python/mlx/nn/layers/base.py
            "nonstrict": {"missing_statistics": "kept"},
            "npz": {},
        },
        "about": {
            "compile": ["COMPILE-1", "freeze", "unfreeze"],
            "eval_to_freeze": ["freeze", "unfreeze"],
            "nonstrict": ["restore"],
            "npz": ["restore"],
        },
        "dialect": {
            # undocumented, as observed in 0.32.4
            "variance": "sample",
            "one_value_per_channel": "refuses",
            "epsilon_zero": "refuses",
            "empty_batch": "nan",
            "state_dtype": "layer",
            "arithmetic": "layer",
            # https://github.com/ml-explore/mlx/blob/004c1d8/python/mlx/nn/layers/base.py
            "bare_call": "as_last_set",
            # freeze() is said to be about gradients, and no more: the same file
            "frozen_training_call": "trains",
            "missing_statistics": "refused",
            # with bias_correction, which is off unless asked for, as coded:
            # https://github.com/ml-explore/mlx/blob/022eabb/python/mlx/optimizers/optimizers.py
            "adam_epsilon": "corrected",
        },
    }


def use(device):
    mx.set_default_device(mx.gpu if device != "cpu" else mx.cpu)


def array(y):
    """In NumPy, which has no bfloat16."""
    return ("bfloat16", np.array(y.astype(mx.float32))) if y.dtype == mx.bfloat16 else np.array(y)


def batch_norm(layer):
    if layer["training"] is not None:
        raise Unsupported("a module's mode is switched by train() and eval(), it is not baked in")
    if layer["center"] != layer["scale"]:
        raise Unsupported("affine=False leaves out gamma and beta together")
    if len(layer["shape"]) > 3:
        raise Unsupported("BatchNorm takes 2 to 4 dimensions")
    module = nn.BatchNorm(
        layer["features"],
        eps=layer["epsilon"],
        momentum=round(1 - layer["momentum"], 15),  # of the new statistic: 0.01, which 1 - 0.99 is not
        affine=layer["scale"],
        track_running_stats=layer.get("track", True),
    )
    module.set_dtype(getattr(mx, layer["dtype"]))
    return module


def build(entry, made):
    if entry["kind"] == "activation":
        return ACTIVATIONS[entry["function"]]()
    if entry["kind"] == "dense":
        module = nn.Linear(entry["inputs"], entry["units"], bias=entry["use_bias"])
        return module.apply(mx.zeros_like)
    return batch_norm(entry) if entry["kind"] == "batch_norm" else Stack(entry["layers"], made)


class Stack(nn.Module):
    """Modules in order; `made` are those so far, by name, of which one may stand again."""

    def __init__(self, entries, made):
        super().__init__()
        order = []
        for entry in entries:
            if entry["kind"] != "again":
                made[entry["name"]] = build(entry, made)
                setattr(self, entry["name"], made[entry["name"]])
            order.append(made[entry["name"]])
        self.forward = lambda x: functools.reduce(lambda y, module: module(y), order, x)

    def __call__(self, x):
        return self.forward(x)


def make_optimizer(name, learning_rate, beta_1=None, beta_2=None, epsilon=None):
    if name == "sgd":
        return optim.SGD(learning_rate)
    if name == "adam":
        return optim.Adam(learning_rate, [beta_1, beta_2], epsilon, bias_correction=True)
    raise Unsupported(f"this adapter has no optimizer {name}")


def mse(module, x, targets):
    return nn.losses.mse_loss(module(x), targets)


class Model:
    """A module, its `parts` by name, and the `keys` of its quantities among the parameters."""

    def __init__(self, module, entries, mode, dtype="float32"):
        self.module, self.variant, self.frozen, self.dtype = module, mode, [], getattr(mx, dtype)
        self.optimizer = self.step = None
        self.compiled = {}  # {(part, training): the compiled forward pass}
        self.parts, self.keys, places = {"layer": module, "model": module}, {}, {"": ""}
        for place, part in module.named_modules():
            name = place.rpartition(".")[2]
            if name:
                self.parts[name], places[name] = part, place + "."
        found = self.parameters()
        for name, entry in entries:
            prefix = name and name + "."
            keys = {prefix + quantity: places[name] + key for quantity, key in KEYS[entry["kind"]].items()}
            self.keys.update((quantity, key) for quantity, key in keys.items() if key in found)
            self.set({prefix + quantity: value for quantity, value in entry["variables"].items()})
            if not entry.get("trainable", True):
                self.mark(name or "layer", False)

    def parameters(self):
        return dict(tree_flatten(self.module.parameters()))

    def state(self):  # a dense kernel is (out, in) here; .T leaves vectors as they are
        found = self.parameters()
        return {name: array(found[key].T) for name, key in self.keys.items()}

    def set(self, given):
        found = self.parameters()
        new = {self.keys[name]: mx.array(value.T) for name, value in given.items()}
        self.module.update(tree_unflatten([(key, value.astype(found[key].dtype)) for key, value in new.items()]))

    def switch(self, part, training):
        """Set the mode; None leaves it as it was."""
        if training is not None:
            part.train(training)
            self.keep_frozen()  # train() was for all modules inside

    def forward(self, x, training, through="model"):
        part = self.parts[through]
        self.switch(part, training)
        x = mx.array(x, self.dtype)
        if self.variant != "compile" or training is None:
            return part(x)
        if (through, training) not in self.compiled:
            state = [self.module.state]
            # a function of its own: compile() would take what it has traced for the same one, whatever its mode
            self.compiled[through, training] = mx.compile(lambda x: part(x), inputs=state, outputs=state)
        return self.compiled[through, training](x)

    def train(self, x, through="model"):
        return array(self.forward(x, True, through))

    def predict(self, x, through="model"):
        return array(self.forward(x, False, through))

    def call(self, x, training, through="model"):
        return array(self.forward(x, training, through))

    def mode(self, of, training):
        self.parts[of].train(training)

    def evaluate(self, x, targets, loss, through="model"):
        return array(nn.losses.mse_loss(self.forward(x, False, through), mx.array(targets)))

    def fit(self, x, targets, loss, optimizer, epochs, batch_size, validation=None, validation_targets=None):
        if loss != "mse":
            raise Unsupported(f"this adapter has no loss {loss}")
        if self.optimizer is None:
            self.optimizer = make_optimizer(**optimizer)
            self.step = self.make_step()
        for _ in range(epochs):
            self.switch(self.module, True)
            for start in range(0, len(x), batch_size):
                batch = slice(start, start + batch_size)
                self.step(mx.array(x[batch]), mx.array(targets[batch]))
                mx.eval(self.module.state, self.optimizer.state)
            if validation is not None:
                self.evaluate(validation, validation_targets, loss)

    def make_step(self):
        loss_and_grad = nn.value_and_grad(self.module, mse)

        def step(x, targets):
            _, grads = loss_and_grad(self.module, x, targets)
            self.optimizer.update(self.module, grads)

        if self.variant != "compile":
            return step
        self.optimizer.init(self.module.trainable_parameters())
        state = [self.module.state, self.optimizer.state]
        return mx.compile(step, inputs=state, outputs=state)

    def freeze(self, of, recompile):
        self.set_trainable(of, False, recompile)

    def unfreeze(self, of, recompile):
        self.set_trainable(of, True, recompile)

    def set_trainable(self, of, trainable, recompile):
        self.mark(of, trainable)
        if recompile:
            self.optimizer = self.step = None

    def mark(self, of, trainable):
        part = self.parts[of]
        part.unfreeze() if trainable else part.freeze()
        norms = [module for module in part.modules() if isinstance(module, nn.BatchNorm)]
        self.frozen = [norm for norm in self.frozen if all(norm is not other for other in norms)]
        self.frozen += [] if trainable else norms
        self.keep_frozen()

    def keep_frozen(self):
        for norm in self.frozen if self.variant == "eval_to_freeze" else ():
            norm.eval()

    def save(self, path):
        self.module.save_weights(path + self.suffix())

    def restore(self, path, omit=()):
        saved = mx.load(path + self.suffix())
        for name in omit:
            del saved[self.keys[name]]
        self.module.load_weights(list(saved.items()), strict=self.variant != "nonstrict")

    def suffix(self):
        return ".npz" if self.variant == "npz" else ".safetensors"


class Layer(Model):
    def __init__(self, layer, mode, workdir):
        super().__init__(batch_norm(layer), [("", {"kind": "batch_norm", **layer})], mode, layer["dtype"])

    def backward(self, x, upstream, training):
        self.switch(self.module, training)

        def weighted_sum(parameters, x):
            self.module.update(parameters)
            output = self.module(x)
            return mx.sum(mx.array(upstream, self.dtype) * output), output

        differentiate = mx.value_and_grad(weighted_sum, argnums=(0, 1))
        (_, output), (by, input_gradient) = differentiate(self.module.trainable_parameters(), mx.array(x, self.dtype))
        names = {"weight": "gamma_gradient", "bias": "beta_gradient"}
        found = {"output": output, "input_gradient": input_gradient, **{names[key]: by[key] for key in by}}
        return {name: array(value) for name, value in found.items()}


class Network(Model):
    def __init__(self, network, mode, workdir):
        super().__init__(Stack(network, {}), list(flat(network)), mode)


def flat(network):
    """The entries of a network and of those in it that have variables, by name."""
    for entry in network:
        if entry["kind"] in KEYS:
            yield entry["name"], entry
        yield from flat(entry.get("layers", ()))
