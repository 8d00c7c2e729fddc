"""Drives jax.example_libraries.stax.BatchNorm, which has no state: every pass normalises with its own batch."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.example_libraries import optimizers, stax

ACTIVATIONS = {"tanh": stax.Tanh, "relu": stax.Relu, "sigmoid": stax.Sigmoid}


class Unsupported(Exception):
    """Stax has no such thing."""


def describe():
    return {
        "framework": "jax",
        "version": jax.__version__,
        "modes": {"eager": {}, "jit": {}},
        "dialect": {
            # https://docs.jax.dev/en/latest/jax.example_libraries.stax.html; no flag is taken, and a call is a call
            "bare_call": "trains",
            # undocumented, as observed: epsilon is added to the corrected root
            "adam_epsilon": "corrected",
        },
    }


def use(device):
    jax.config.update("jax_default_device", jax.devices(device)[0])


def flat(entries):
    """The layers of all levels in order."""
    for entry in entries:
        yield from flat(entry["layers"]) if entry["kind"] == "model" else [entry]


def build(entry):
    if entry["kind"] == "model":
        return stax.serial(*map(build, entry["layers"]))
    if entry["kind"] == "activation":
        return ACTIVATIONS[entry["function"]]
    if entry["kind"] == "again":
        raise Unsupported("stax.serial gives each of its layers parameters of its own")
    if entry["kind"] == "dense":
        if not entry["use_bias"]:
            raise Unsupported("stax.Dense always has a bias")
        return stax.Dense(entry["units"], W_init=jax.nn.initializers.zeros, b_init=jax.nn.initializers.zeros)
    if entry.get("track", True):
        raise Unsupported("stax.BatchNorm keeps no moving statistics: every pass normalises with its own batch")
    if not entry["trainable"] or entry["training"] is not None or entry["dtype"] != "float32":
        raise Unsupported("stax.BatchNorm knows neither trainable nor training, nor a dtype")
    axes = tuple(range(len(entry["shape"])))  # all but the last: the sample's axes move up by one for the batch
    return stax.BatchNorm(axes, entry["epsilon"], entry["center"], entry["scale"])


def quantities(entry):
    """The names of a layer's parameters, in the order in which stax has them."""
    if entry["kind"] == "dense":
        return ["kernel", "bias"]
    return [name for name, there in (("beta", "center"), ("gamma", "scale")) if entry.get(there)]


def make_optimizer(name, learning_rate, beta_1=None, beta_2=None, epsilon=None):
    if name == "adam":
        return optimizers.adam(learning_rate, beta_1, beta_2, epsilon)
    if name == "sgd":
        return optimizers.sgd(learning_rate)
    raise Unsupported("the adapter has no optimizer " + name)


class Model:
    """Layers in series, their params, and the `names` of these in the order of jax.tree.leaves."""

    def __init__(self, entries, prefix, shape, mode):
        init, self.apply = stax.serial(*map(build, entries))
        self.shape = (None, *shape)
        _, self.params = init(jax.random.key(0), (1, *(size or 1 for size in shape)))
        self.names = [prefix(entry) + name for entry in flat(entries) for name in quantities(entry)]
        self.optimizer, self.forward = None, jax.jit(self.apply) if mode == "jit" else self.apply
        for entry in flat(entries):
            self.set({prefix(entry) + name: value for name, value in entry["variables"].items()})

    def train(self, x):
        return np.asarray(self.forward(self.params, jnp.asarray(x)))

    def predict(self, x, exported=None):
        if exported is None:
            return self.train(x)
        with open(exported + ".jax", "rb") as file:
            return np.asarray(jax.export.deserialize(bytearray(file.read())).call(jnp.asarray(x)))

    def call(self, x, training):
        if training is not None:
            raise Unsupported("stax.BatchNorm takes no flag")
        return self.train(x)

    def loss(self, params, x, targets):
        return jnp.mean((self.apply(params, x) - targets) ** 2)

    def evaluate(self, x, targets, loss):
        return np.asarray(self.loss(self.params, x, targets))

    def fit(self, x, targets, loss, optimizer, epochs, batch_size):
        if loss != "mse":
            raise Unsupported("the adapter has no loss " + loss)
        if self.optimizer is None:
            init, update, self.get_params = make_optimizer(**optimizer)
            gradient = jax.grad(self.loss)
            step = jax.jit(lambda i, state, *data: update(i, gradient(self.get_params(state), *data), state))
            self.optimizer = step, init(self.params), 0
        step, state, done = self.optimizer
        for start in [*range(0, len(x), batch_size)] * epochs:
            state, done = (
                step(done, state, x[start : start + batch_size], targets[start : start + batch_size]),
                done + 1,
            )
        self.optimizer, self.params = (step, state, done), self.get_params(state)

    def save(self, path):
        np.savez(path, **self.state())

    def restore(self, path, omit=()):
        if omit:
            raise Unsupported("stax does not restore: one's program assigns what it has loaded, all of it or some")
        with np.load(path + ".npz") as saved:
            self.set(saved)

    def set(self, values):
        leaves, structure = jax.tree.flatten(self.params)
        state = {**dict(zip(self.names, leaves)), **{name: jnp.asarray(value) for name, value in values.items()}}
        self.params = jax.tree.unflatten(structure, [state[name] for name in self.names])

    def state(self):
        return dict(zip(self.names, map(np.asarray, jax.tree.leaves(self.params))))

    def export(self, path):
        sizes = ", ".join("n%d" % axis if size is None else str(size) for axis, size in enumerate(self.shape))
        sample = jax.ShapeDtypeStruct(jax.export.symbolic_shape(sizes), jnp.float32)
        infer = jax.jit(lambda x: self.apply(self.params, x))
        with open(path + ".jax", "wb") as file:
            file.write(jax.export.export(infer)(sample).serialize())


class Layer(Model):
    def __init__(self, layer, mode, workdir):
        super().__init__([{"kind": "batch_norm", "name": "", **layer}], lambda entry: "", layer["shape"], mode)

    def backward(self, x, upstream, training):
        output, pull = jax.vjp(self.forward, self.params, jnp.asarray(x))
        by_params, by_x = pull(jnp.asarray(upstream))
        found = dict(zip((name + "_gradient" for name in self.names), jax.tree.leaves(by_params)))
        return {name: np.asarray(by) for name, by in {"output": output, "input_gradient": by_x, **found}.items()}


class Network(Model):
    def __init__(self, network, mode, workdir):
        first = next(flat(network))
        shape = first.get("shape") or [first["inputs"]]
        super().__init__(network, lambda entry: entry["name"] + ".", shape, mode)
