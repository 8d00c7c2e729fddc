"""Drives flax.linen.BatchNorm through init and apply, as Flax's own guide to the layer does; mode jit compiles apply.

batch_stats are mutable in training and in a call without the flag, not in inference. A checkpoint is flax.serialization's
msgpack, or in mode orbax, which is compiled too, what Orbax's StandardCheckpointer writes; both restore into the
variables that there are.
"""

import contextlib
import functools

import flax
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from flax import serialization
from flax.traverse_util import flatten_dict, unflatten_dict

with contextlib.suppress(ImportError):  # since JAX 0.4.30
    import jax.export

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
        "modes": {"eager": {}, "jit": {}, "orbax": {}},
        "about": {"orbax": ["restore"]},
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
            # undocumented, as observed: the mean of nothing is NaN
            "empty_batch": "nan",
            "masked_batch": "nan",
            "adam_epsilon": "corrected",  # https://optax.readthedocs.io/en/latest/api/generated/optax.adam.html
        },
    }


def use(device):
    jax.config.update("jax_default_device", jax.devices(device)[0])


def flag(training):
    """The argument for a constructor or a call; none for None."""
    return {} if training is None else {"use_running_average": not training}


def batch_norm(layer):
    if not layer.get("track", True):
        raise Unsupported("use_running_average=False leaves the moving statistics unused, but there they are")
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


def flat(entries, within=("model",)):
    """Each layer of all levels in order, with the names of what encloses it and its own."""
    for entry in entries:
        names = (*within, entry["name"])
        if entry["kind"] == "model":
            yield from flat(entry["layers"], names)
        else:
            yield entry, names


class Stack(nn.Module):
    """A network; a batch normalisation that has the flag built in is not passed the one of the call.

    layers has for each step the layer, which may stand there twice, and the names of the models around it and its own.
    """

    layers: tuple
    preserve_adopted_names = True  # the layers keep the names that they are built with

    @nn.compact
    def __call__(self, x, use_running_average=None, mask=None, through="model"):
        for layer, names in self.layers:
            if through not in names:
                continue
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


jit = functools.partial(
    jax.jit, static_argnames=("module", "optimizer", "loss", "mutable", "use_running_average", "through")
)
EAGER = apply, gradients, train_step
COMPILED = tuple(jit(function) for function in EAGER)
FUNCTIONS = {"eager": EAGER, "jit": COMPILED, "orbax": COMPILED}


@functools.lru_cache(maxsize=None)
def make_optimizer(name, learning_rate, beta_1=None, beta_2=None, epsilon=None):
    """The same object for the same settings, since jit compiles anew for each object."""
    if name == "adam":
        return optax.adam(learning_rate, b1=beta_1, b2=beta_2, eps=epsilon)
    if name == "sgd":
        return optax.sgd(learning_rate)
    raise Unsupported("the adapter has no optimizer " + name)


def checkpointer():
    import orbax.checkpoint  # takes a second, and is for its own mode alone

    return orbax.checkpoint.StandardCheckpointer()


class Model:
    """A module and its variables; `paths` says where among them each quantity is."""

    def __init__(self, module, shape, paths, mode, baked=None, dtype="float32"):
        jax.config.update("jax_enable_x64", dtype == "float64")
        self.module, self.shape, self.paths, self.dtype, self.optimizer_states = module, shape, paths, dtype, {}
        self.apply, self.gradients, self.train_step = FUNCTIONS[mode]
        self.orbax = mode == "orbax"
        self.training, self.inference = (flag(True), flag(False)) if baked is None else ({}, {})
        sample = jnp.ones([1, *(size or 1 for size in shape)], dtype)
        self.variables = {"params": {}, **module.init(jax.random.key(0), sample, **self.inference)}

    def train(self, x, mask=None, through=None):
        return self.run(x, mask, UPDATED, self.training, through)

    def predict(self, x, mask=None, through=None, exported=None):
        if exported is None:
            return self.run(x, mask, (), self.inference, through)
        with open(exported + ".jax", "rb") as file:
            return np.asarray(jax.export.deserialize(bytearray(file.read())).call(jnp.asarray(x, self.dtype)))

    def call(self, x, training, mask=None, through=None):
        return self.run(x, mask, () if training is False else UPDATED, flag(training), through)

    def run(self, x, mask, mutable, arguments, through):
        if mask is not None:
            arguments = {**arguments, "mask": mask[..., None].astype(bool)}
        if through is not None:
            arguments = {**arguments, "through": through}
        x = jnp.asarray(x, self.dtype)
        output, self.variables = self.apply(self.module, self.variables, x, mutable, **arguments)
        return np.asarray(output)

    def evaluate(self, x, targets, loss, through=None):
        return np.asarray(mse(self.predict(x, through=through), targets))

    def fit(self, x, targets, loss, optimizer, epochs, batch_size, through=None):
        if loss != "mse":
            raise Unsupported("the adapter has no loss " + loss)
        optimizer = make_optimizer(**optimizer)
        state = self.optimizer_states.get(through) or optimizer.init(self.variables["params"])
        arguments = self.training if through is None else {**self.training, "through": through}
        for start in [*range(0, len(x), batch_size)] * epochs:
            batch = [jnp.asarray(data[start : start + batch_size]) for data in (x, targets)]
            self.variables, state = self.train_step(self.module, optimizer, self.variables, state, *batch, **arguments)
        self.optimizer_states[through] = state

    def save(self, path):
        if self.orbax:
            return self.keep(path, self.variables)
        with open(path + ".msgpack", "wb") as file:
            file.write(serialization.to_bytes(self.variables))

    def restore(self, path, omit=()):
        if self.orbax:
            with checkpointer() as orbax:
                if omit:
                    whole, path = path, "_".join([path, *omit])
                    self.keep(path, self.without(orbax.restore(whole), omit))
                self.variables = orbax.restore(path, self.variables)
            return
        with open(path + ".msgpack", "rb") as file:
            saved = self.without(serialization.msgpack_restore(file.read()), omit)
        self.variables = serialization.from_state_dict(self.variables, saved)

    def keep(self, path, variables):
        """Write a checkpoint of Orbax, and wait for it."""
        with checkpointer() as orbax:
            orbax.save(path, variables, force=True)

    def without(self, saved, omit):
        """The variables of a checkpoint but for some quantities."""
        found = flatten_dict(saved, keep_empty_nodes=True)
        for name in omit:
            del found[self.paths[name]]
        return unflatten_dict(found)

    def set(self, values):
        found = flatten_dict(self.variables, keep_empty_nodes=True)
        for name, value in values.items():
            found[self.paths[name]] = jnp.asarray(value, found[self.paths[name]].dtype)
        self.variables = unflatten_dict(found)

    def state(self):
        found = flatten_dict(self.variables)
        return {name: np.asarray(found[path]) for name, path in self.paths.items() if path in found}

    def export(self, path):
        sizes = ", ".join("n%d" % axis if size is None else str(size) for axis, size in enumerate((None, *self.shape)))
        sample = jax.ShapeDtypeStruct(jax.export.symbolic_shape(sizes), self.dtype)
        infer = jax.jit(lambda x: self.module.apply(self.variables, x, **self.inference))
        with open(path + ".jax", "wb") as file:
            file.write(jax.export.export(infer)(sample).serialize())


class Layer(Model):
    def __init__(self, layer, mode, workdir):
        paths = QUANTITIES["batch_norm"]
        super().__init__(batch_norm(layer), layer["shape"], paths, mode, layer["training"], layer["dtype"])
        self.set(layer["variables"])

    def backward(self, x, upstream, training):
        x, upstream = (jnp.asarray(data, self.dtype) for data in (x, upstream))
        mutable = () if training is False else UPDATED
        (by_x, by_params), (output, self.variables) = self.gradients(
            self.module, self.variables, x, weighted_sum, upstream, mutable, **flag(training)
        )
        names = {"scale": "gamma_gradient", "bias": "beta_gradient"}
        found = {"output": output, "input_gradient": by_x, **{names[key]: by for key, by in by_params.items()}}
        return {name: np.asarray(value) for name, value in found.items()}


class Network(Model):
    def __init__(self, network, mode, workdir):
        paths, given, layers, steps = {}, {}, {}, list(flat(network))
        for entry, _ in steps:
            if entry["kind"] == "again":
                continue
            at = entry["name"]
            layers[at] = build(entry)
            paths.update(
                {at + "." + name: (kind, at, leaf) for name, (kind, leaf) in QUANTITIES[entry["kind"]].items()}
            )
            given.update({at + "." + name: value for name, value in entry["variables"].items()})
        first = steps[0][0]
        stack = Stack(tuple((layers[entry["name"]], names) for entry, names in steps))
        super().__init__(stack, first.get("shape") or [first["inputs"]], paths, mode)
        self.set(given)


def use_layer(cls):
    """Drive another class: it stands where the library's own stood."""
    nn.BatchNorm = cls
