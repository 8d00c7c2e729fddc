"""Drives flax.linen.BatchNorm through init and apply, as Flax's own guide to the layer does; mode jit compiles apply.

batch_stats are mutable in training and in a call without the flag, not in inference.
"""

import functools

import flax
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from flax import serialization
from flax.traverse_util import flatten_dict, unflatten_dict

QUANTITIES = {
    "batch_norm": {
        "moving_mean": ("batch_stats", "mean"),
        "moving_variance": ("batch_stats", "var"),
        "gamma": ("params", "scale"),
        "beta": ("params", "bias"),
    },
    "dense": {"kernel": ("params", "kernel"), "bias": ("params", "bias")},
    "activation": {},
}
UPDATED = ("batch_stats",)


class Unsupported(Exception):
    """Linen has no such thing."""


def describe():
    return {
        "framework": "flax",
        "version": flax.__version__,
        "backend": "jax " + jax.__version__,
        "modes": {"eager": {}, "jit": {}},
        "dialect": {
            # use_fast_variance, set by default: https://github.com/google/flax/blob/018c99b/flax/linen/normalization.py
            "variance": "population",
            "variance_algorithm": "one_pass",
            # the constructor takes the flag or the call does: neither is an error, and so is both
            # https://github.com/google/flax/blob/0b126b8/docs/guides/flax_fundamentals/arguments.md
            "bare_call": "refuses",
            "baked_training": "refused",
            # undocumented, as observed and coded: https://github.com/google/flax/blob/00a973a/flax/serialization.py
            "missing_statistics": "refused",
            "adam_epsilon": "corrected",  # https://optax.readthedocs.io/en/latest/api/generated/optax.adam.html
        },
    }


def use(device):
    jax.config.update("jax_default_device", jax.devices(device)[0])


def flag(training):
    """The argument for a constructor or a call; none for None."""
    return {} if training is None else {"use_running_average": not training}


def batch_norm(layer):
    if not layer["trainable"]:
        raise Unsupported(
            "linen has no trainable flag: one passes use_running_average=True and leaves the layer's params out of the"
            " optimizer (optax.multi_transform with optax.set_to_zero)"
        )
    return nn.BatchNorm(
        momentum=layer["momentum"],
        epsilon=layer["epsilon"],
        dtype=layer["dtype"],
        use_bias=layer["center"],
        use_scale=layer["scale"],
        name=layer.get("name"),
        **flag(layer["training"]),
    )


def build(entry):
    if entry["kind"] == "batch_norm":
        return batch_norm(entry)
    if entry["kind"] == "dense":
        return nn.Dense(entry["units"], entry["use_bias"], kernel_init=nn.initializers.zeros, name=entry["name"])
    return getattr(nn, entry["function"])


class Stack(nn.Module):
    """A network; a batch normalisation that has the flag built in is not passed the one of the call."""

    layers: tuple
    preserve_adopted_names = True  # the layers keep the names that they are built with

    @nn.compact
    def __call__(self, x, use_running_average=None, mask=None):
        for layer in self.layers:
            if isinstance(layer, nn.BatchNorm):
                baked = layer.use_running_average is not None
                x = layer(x, None if baked else use_running_average, mask=mask)
            else:
                x = layer(x)
        return x


def apply(module, variables, x, mutable, **arguments):
    """The output, and the variables with the mutable ones updated."""
    output, updates = module.apply(variables, x, mutable=mutable, **arguments)
    return output, {**variables, **updates}


def gradients(module, variables, x, loss, data, mutable, **arguments):
    """The gradients of loss(output, data) by x and by the params, and what apply returns."""

    def loss_fn(x, params):
        output, updated = apply(module, {**variables, "params": params}, x, mutable, **arguments)
        return loss(output, data), (output, updated)

    return jax.grad(loss_fn, argnums=(0, 1), has_aux=True)(x, variables["params"])


def train_step(module, optimizer, variables, optimizer_state, x, targets, **arguments):
    """Train for a single step: the params learn, the batch_stats are carried along."""
    (_, grads), (_, updated) = gradients(module, variables, x, mse, targets, UPDATED, **arguments)
    updates, optimizer_state = optimizer.update(grads, optimizer_state, variables["params"])
    return {**updated, "params": optax.apply_updates(variables["params"], updates)}, optimizer_state


def mse(output, targets):
    return jnp.mean((output - targets) ** 2)


def weighted_sum(output, upstream):
    return jnp.sum(upstream * output)


jit = functools.partial(jax.jit, static_argnames=("module", "optimizer", "loss", "mutable", "use_running_average"))
FUNCTIONS = {"eager": (apply, gradients, train_step), "jit": (jit(apply), jit(gradients), jit(train_step))}


@functools.lru_cache(maxsize=None)
def make_optimizer(name, learning_rate, beta_1=None, beta_2=None, epsilon=None):
    """The same object for the same settings, since jit compiles anew for each object."""
    if name == "adam":
        return optax.adam(learning_rate, b1=beta_1, b2=beta_2, eps=epsilon)
    if name == "sgd":
        return optax.sgd(learning_rate)
    raise Unsupported("the adapter has no optimizer " + name)


class Model:
    """A module and its variables; `paths` says where among them each quantity is."""

    def __init__(self, module, width, paths, mode, baked=None):
        self.module, self.paths, self.optimizer_state = module, paths, None
        self.apply, self.gradients, self.train_step = FUNCTIONS[mode]
        self.training, self.inference = (flag(True), flag(False)) if baked is None else ({}, {})
        self.variables = {"params": {}, **module.init(jax.random.key(0), jnp.ones((1, width)), **self.inference)}

    def train(self, x, mask=None):
        return self.run(x, mask, UPDATED, self.training)

    def predict(self, x, mask=None):
        return self.run(x, mask, (), self.inference)

    def call(self, x, training, mask=None):
        return self.run(x, mask, () if training is False else UPDATED, flag(training))

    def run(self, x, mask, mutable, arguments):
        if mask is not None:
            arguments = {**arguments, "mask": mask[..., None].astype(bool)}
        output, self.variables = self.apply(self.module, self.variables, jnp.asarray(x), mutable, **arguments)
        return np.asarray(output)

    def fit(self, x, targets, loss, optimizer, epochs, batch_size):
        if loss != "mse":
            raise Unsupported("the adapter has no loss " + loss)
        optimizer = make_optimizer(**optimizer)
        if self.optimizer_state is None:
            self.optimizer_state = optimizer.init(self.variables["params"])
        for start in [*range(0, len(x), batch_size)] * epochs:
            batch = [jnp.asarray(data[start : start + batch_size]) for data in (x, targets)]
            self.variables, self.optimizer_state = self.train_step(
                self.module, optimizer, self.variables, self.optimizer_state, *batch, **self.training
            )

    def save(self, path):
        with open(path + ".msgpack", "wb") as file:
            file.write(serialization.to_bytes(self.variables))

    def restore(self, path, omit=()):
        with open(path + ".msgpack", "rb") as file:
            saved = flatten_dict(serialization.msgpack_restore(file.read()), keep_empty_nodes=True)
        for name in omit:
            del saved[self.paths[name]]
        self.variables = serialization.from_state_dict(self.variables, unflatten_dict(saved))

    def set(self, values):
        flat = flatten_dict(self.variables, keep_empty_nodes=True)
        flat.update({self.paths[name]: jnp.asarray(value) for name, value in values.items()})
        self.variables = unflatten_dict(flat)

    def state(self):
        flat = flatten_dict(self.variables)
        return {name: np.asarray(flat[path]) for name, path in self.paths.items() if path in flat}


class Layer(Model):
    def __init__(self, layer, mode, workdir):
        super().__init__(batch_norm(layer), layer["features"], QUANTITIES["batch_norm"], mode, layer["training"])
        self.set(layer["variables"])

    def backward(self, x, upstream, training):
        mutable = () if training is False else UPDATED
        (by_x, by_params), (output, self.variables) = self.gradients(
            self.module, self.variables, jnp.asarray(x), weighted_sum, jnp.asarray(upstream), mutable, **flag(training)
        )
        names = {"scale": "gamma_gradient", "bias": "beta_gradient"}
        found = {"output": output, "input_gradient": by_x, **{names[key]: by for key, by in by_params.items()}}
        return {name: np.asarray(value) for name, value in found.items()}


class Network(Model):
    def __init__(self, network, mode, workdir):
        paths, given = {}, {}
        for entry in network:
            at, quantities = entry["name"], QUANTITIES[entry["kind"]]
            paths.update({at + "." + name: (kind, at, leaf) for name, (kind, leaf) in quantities.items()})
            given.update({at + "." + name: value for name, value in entry["variables"].items()})
        width = next(entry.get("inputs") or entry["features"] for entry in network if entry["kind"] != "activation")
        super().__init__(Stack(tuple(build(entry) for entry in network)), width, paths, mode)
        self.set(given)
