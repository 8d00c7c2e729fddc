"""Drives flax.nnx.BatchNorm: train() and eval() set what a pass is, a call may say so itself; fit and mode jit use nnx.jit."""

import functools

import flax
import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
from flax import nnx
from flax.traverse_util import flatten_dict, unflatten_dict

VARIABLES = {  # {quantity: its attribute}
    "batch_norm": {"moving_mean": "mean", "moving_variance": "var", "gamma": "scale", "beta": "bias"},
    "dense": {"kernel": "kernel", "bias": "bias"},
    "activation": {},
}


class Unsupported(Exception):
    """NNX has no such thing."""


def describe():
    return {
        "framework": "flax",
        "version": flax.__version__,
        "backend": "jax " + jax.__version__,
        "modes": {
            "eager": {},
            "jit": {},
            # the flag is passed with each call, and no mode is set; a constructor without a flag trains
            "argument": {"bare_call": "trains"},
            # undocumented, as observed: what a checkpoint of a dictionary lacks stays as it is
            "pure_dict": {"missing_statistics": "kept"},
        },
        "about": {"argument": ["call", "fit"], "pure_dict": ["restore"]},
        "dialect": {
            # use_fast_variance, set by default; eval() and train() stay; a call's flag goes before the constructor's:
            # https://flax.readthedocs.io/en/latest/api_reference/flax.nnx/nn/normalization.html
            "variance": "population",
            "variance_algorithm": "one_pass",
            "bare_call": "as_last_set",
            "baked_training": "overridden",
            # a filter says which variables are parameters to learn, and is given to the optimizer once, when it is made:
            # https://github.com/google/flax/blob/a7157cf/flax/nnx/training/optimizer.py
            "frozen_training_call": "trains",
            "freeze_takes_effect": "at_compile",
            # Orbax restores into a target of the same structure:
            # https://github.com/google/flax/blob/03e0b97/docs_nnx/guides/checkpointing.md
            "missing_statistics": "refused",
            # undocumented, as observed: the mean of nothing is NaN
            "empty_batch": "nan",
            "masked_batch": "nan",
            "adam_epsilon": "corrected",  # https://optax.readthedocs.io/en/latest/api/generated/optax.adam.html
        },
    }


def use(device):
    jax.config.update("jax_default_device", jax.devices(device)[0])


class Stack(nnx.Module):
    """Layers one after another; one that stands there twice is the same object."""

    def __init__(self, layers):
        self.order = tuple(name for name, _ in layers)
        for name, layer in layers:
            setattr(self, name, layer)

    def __call__(self, x, **arguments):
        for layer in (getattr(self, name) for name in self.order):
            x = layer(x, **arguments) if isinstance(layer, (nnx.BatchNorm, Stack)) else layer(x)
        return x


def batch_norm(layer, mode):
    if layer["training"] is not None and mode != "argument":
        raise Unsupported("train() and eval() overwrite the constructor's flag; where calls bring theirs, it is kept")
    if not layer.get("track", True):
        raise Unsupported("use_running_average=False leaves the moving statistics unused, but there they are")
    return nnx.BatchNorm(
        layer["features"],
        momentum=layer["momentum"],
        epsilon=layer["epsilon"],
        dtype=layer["dtype"],
        use_bias=layer["center"],
        use_scale=layer["scale"],
        rngs=nnx.Rngs(0),
        **({} if layer["training"] is None else flag(layer["training"])),
    )


def dense(entry):
    zeros = nnx.initializers.zeros
    return nnx.Linear(entry["inputs"], entry["units"], use_bias=entry["use_bias"], kernel_init=zeros, rngs=nnx.Rngs(0))


def full(name, quantity):
    """A quantity's name; a layer that stands alone is called layer, and its quantities carry no name."""
    return quantity if name == "layer" else name + "." + quantity


def flag(training):
    return {"use_running_average": not training}


def make_optimizer(name, learning_rate, beta_1=None, beta_2=None, epsilon=None):
    if name == "adam":
        return optax.adam(learning_rate, b1=beta_1, b2=beta_2, eps=epsilon)
    if name == "sgd":
        return optax.sgd(learning_rate)
    raise Unsupported("the adapter has no optimizer " + name)


def forward(model, x, **arguments):
    return model(x, **arguments)


def gradients(model, x, upstream, wrt, **arguments):
    """The gradients of sum(upstream * output) by x and by the parameters of a filter, and the output."""

    def weighted_sum(x, model):
        output = model(x, **arguments)
        return jnp.sum(upstream * output), output

    return nnx.grad(weighted_sum, argnums=(0, nnx.DiffState(1, wrt)), has_aux=True)(x, model)


@functools.partial(nnx.jit, static_argnames="use_running_average")
def train_step(model, optimizer, x, targets, **arguments):
    grads = nnx.grad(lambda model: mse(model(x, **arguments), targets), argnums=nnx.DiffState(0, optimizer.wrt))(model)
    optimizer.update(model, grads)


def mse(output, targets):
    return jnp.mean((output - targets) ** 2)


EAGER = forward, gradients
JIT = (
    nnx.jit(forward, static_argnames="use_running_average"),
    nnx.jit(gradients, static_argnames=("use_running_average", "wrt")),
)


class Model:
    """A stack, its `parts` and its variables by name, the `places` of these in a checkpoint, and who is `frozen`."""

    def __init__(self, entries, shape, mode, dtype="float32"):
        jax.config.update("jax_enable_x64", dtype == "float64")
        self.dtype, self.shape, self.frozen, self.optimizers = dtype, shape, set(), {}
        self.parts, self.variables, self.places = {}, {}, {}
        self.forward, self.gradients = JIT if mode == "jit" else EAGER
        self.driven = mode
        self.model = self.parts["model"] = self.stack(entries)

    def stack(self, entries):
        return Stack([(entry["name"], self.part(entry)) for entry in entries])

    def part(self, entry):
        name, kind = entry["name"], entry["kind"]
        if kind == "again":
            return self.parts[name]
        if kind == "activation":
            return getattr(nnx, entry["function"])
        if kind == "model":
            self.parts[name] = self.stack(entry["layers"])
            return self.parts[name]
        part = self.parts[name] = batch_norm(entry, self.driven) if kind == "batch_norm" else dense(entry)
        if not entry.get("trainable", True):
            self.frozen.add(name)
        for quantity, attribute in VARIABLES[kind].items():
            if getattr(part, attribute) is not None:
                self.variables[full(name, quantity)] = getattr(part, attribute)
                self.places[full(name, quantity)] = name, attribute
        self.set({full(name, quantity): value for quantity, value in entry["variables"].items()})
        return part

    def set_mode(self, training):
        """Set the mode of all passes to come, or return the argument that says it for one."""
        if self.driven == "argument":
            return flag(training)
        self.model.train() if training else self.model.eval()
        return {}

    def run(self, x, training, mask, through):
        arguments = {} if training is None else self.set_mode(training)
        if mask is not None:
            arguments["mask"] = mask[..., None].astype(bool)
        return np.asarray(self.forward(self.parts[through], jnp.asarray(x, self.dtype), **arguments))

    def train(self, x, mask=None, through="model"):
        return self.run(x, True, mask, through)

    def predict(self, x, mask=None, through="model", exported=None):
        if exported is not None:
            with open(exported + ".jax", "rb") as file:
                return np.asarray(jax.export.deserialize(bytearray(file.read())).call(jnp.asarray(x, self.dtype)))
        return self.run(x, False, mask, through)

    def call(self, x, training, mask=None, through="model"):
        return self.run(x, training, mask, through)

    def evaluate(self, x, targets, loss, through="model"):
        return np.asarray(mse(self.predict(x, through=through), targets))

    def fit(self, x, targets, loss, optimizer, epochs, batch_size, through="model"):
        if loss != "mse":
            raise Unsupported("the adapter has no loss " + loss)
        model = self.parts[through]
        if through not in self.optimizers:
            self.optimizers[through] = nnx.Optimizer(model, make_optimizer(**optimizer), wrt=self.learnt())
        arguments = self.set_mode(True)
        for start in [*range(0, len(x), batch_size)] * epochs:
            batch = [jnp.asarray(data[start : start + batch_size]) for data in (x, targets)]
            train_step(model, self.optimizers[through], *batch, **arguments)

    def learnt(self):
        """The filter of the parameters that are not frozen."""
        return nnx.All(nnx.Param, *(nnx.Not(nnx.PathContains(name)) for name in sorted(self.frozen)))

    def reached(self, of):
        """The layers that a name means: all of the model, all of a nested one, or one."""
        part = self.parts[of]
        return {name for inner in part.order for name in self.reached(inner)} if isinstance(part, Stack) else {of}

    def freeze(self, of, recompile):
        self.frozen |= self.reached(of)
        if recompile:
            self.optimizers = {}

    def unfreeze(self, of, recompile):
        self.frozen -= self.reached(of)
        if recompile:
            self.optimizers = {}

    def mode(self, of, training):
        if self.driven == "argument":
            raise Unsupported("no mode is set here: every call is given its flag")
        self.parts[of].train() if training else self.parts[of].eval()

    def save(self, path):
        state = nnx.state(self.model)
        with ocp.StandardCheckpointer() as checkpointer:
            checkpointer.save(path, nnx.to_pure_dict(state) if self.driven == "pure_dict" else state, force=True)

    def restore(self, path, omit=()):
        state = nnx.state(self.model)
        with ocp.StandardCheckpointer() as checkpointer:
            if omit:
                path = self.without(checkpointer, path, omit)
            if self.driven == "pure_dict":
                nnx.replace_by_pure_dict(state, checkpointer.restore(path))
            else:
                state = checkpointer.restore(path, state)
        nnx.update(self.model, state)

    def without(self, checkpointer, path, omit):
        """The path of a copy of a checkpoint that lacks some quantities."""
        shorter, lost = path + "_without_" + "_".join(omit), {self.places[name] for name in omit}
        saved = flatten_dict(checkpointer.restore(path))
        kept = {at: value for at, value in saved.items() if not lost & set(zip(at, at[1:]))}
        checkpointer.save(shorter, unflatten_dict(kept), force=True)
        checkpointer.wait_until_finished()
        return shorter

    def set(self, values):
        for name, value in values.items():
            self.variables[name][...] = jnp.asarray(value, self.variables[name].dtype)

    def state(self):
        return {name: np.asarray(variable[...]) for name, variable in self.variables.items()}

    def export(self, path):
        graphdef, state = nnx.split(nnx.view(self.model, use_running_average=True))
        sizes = ", ".join("n%d" % axis if size is None else str(size) for axis, size in enumerate((None, *self.shape)))
        sample = jax.ShapeDtypeStruct(jax.export.symbolic_shape(sizes), self.dtype)
        exported = jax.export.export(jax.jit(lambda x: nnx.merge(graphdef, state)(x)))(sample)
        with open(path + ".jax", "wb") as file:
            file.write(exported.serialize())


class Layer(Model):
    def __init__(self, layer, mode, workdir):
        super().__init__([{"kind": "batch_norm", "name": "layer", **layer}], layer["shape"], mode, layer["dtype"])

    def backward(self, x, upstream, training):
        x, upstream = (jnp.asarray(data, self.dtype) for data in (x, upstream))
        arguments = self.set_mode(training)
        (by_x, by_params), output = self.gradients(self.model, x, upstream, self.learnt(), **arguments)
        found = {"output": output, "input_gradient": by_x}
        for name, quantity in (("scale", "gamma"), ("bias", "beta")):
            if name in by_params.get("layer", {}):
                found[quantity + "_gradient"] = by_params["layer"][name][...]
        return {name: np.asarray(value) for name, value in found.items()}


class Network(Model):
    def __init__(self, network, mode, workdir):
        first = network[0]
        while first["kind"] == "model":
            first = first["layers"][0]
        super().__init__(network, first.get("shape") or [first["inputs"]], mode)


def use_layer(cls):
    """Drive another class: it stands where the library's own stood."""
    nnx.BatchNorm = cls
