"""Drives eqx.nn.BatchNorm inside a vmap, in both of its modes; fit is compiled by eqx.filter_jit, batch_jit is throughout.

An update is part of what a training call returns; modes are set with eqx.nn.inference_mode, or given to a call.
"""

import contextlib
import functools
import inspect

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

with contextlib.suppress(ImportError):  # since JAX 0.4.30
    import jax.export

ATTRIBUTES = {
    "batch_norm": {"gamma": "weight", "beta": "bias"},
    "dense": {"kernel": "weight", "bias": "bias"},
    "activation": {},
}
STATISTICS = ("moving_mean", "moving_variance")
HAS_MODES = "mode" in inspect.signature(eqx.nn.BatchNorm.__init__).parameters  # before 0.13 it was ema, without a name


class Unsupported(Exception):
    """Equinox has no such thing."""


def describe():
    # mode "ema" uses the batch to fill in the running statistics until they are populated; that it normalises training
    # passes with the running ones is in the code alone: https://github.com/patrick-kidger/equinox/blob/0e86976/equinox/nn/_batch_norm.py
    # what they are until then is undocumented, and was 0 as observed: https://github.com/patrick-kidger/equinox/issues/955
    ema = {"startup": "first_batch", "training_normalisation": "moving", "initial_variance": "zero"}
    # mode "batch" moves what it stores, 0 and 1 at first, as Flax does, and leaves the zero-debiasing to inference:
    # https://github.com/patrick-kidger/equinox/pull/948 and https://github.com/patrick-kidger/equinox/issues/1010
    batch = {"startup": "debiased_in_inference"}
    return {
        "framework": "equinox",
        "version": eqx.__version__,
        "backend": "jax " + jax.__version__,
        "modes": {"ema": ema, "batch": batch, "batch_jit": batch} if HAS_MODES else {"ema": ema},
        "about": {"batch_jit": ["COMPILE-1", "UPDATE-1", "START-1", "NUM-1", "NUM-2"]} if HAS_MODES else {},
        "dialect": {
            # the call's flag goes before the constructor's, whose default is training:
            # https://github.com/patrick-kidger/equinox/blob/0e86976/equinox/nn/_batch_norm.py
            "variance": "population",
            "bare_call": "trains",
            "baked_training": "overridden",
            # parameters are frozen by a filter, and the optimizer's state has the structure that it leaves:
            # https://github.com/patrick-kidger/equinox/blob/76d697c/docs/examples/frozen_layer.ipynb
            "frozen_training_call": "trains",
            "freeze_takes_effect": "at_compile",
            # undocumented, as observed and coded: everything is in the dtype that the layer is made with
            "state_dtype": "layer",
            "arithmetic": "layer",
            "empty_batch": "nan",  # undocumented, as observed: the mean of nothing is NaN
            "adam_epsilon": "corrected",  # https://optax.readthedocs.io/en/latest/api/generated/optax.adam.html
        },
    }


def use(device):
    jax.config.update("jax_default_device", jax.devices(device)[0])


def flat(entries, within=("model",)):
    """Each layer of all levels in order, with the names of what encloses it and its own."""
    for entry in entries:
        names = (*within, entry["name"])
        if entry["kind"] == "model":
            yield from flat(entry["layers"], names)
        else:
            yield entry, names


def build(entry, mode, dtype):
    if entry["kind"] == "activation":
        return getattr(jax.nn, entry["function"])
    if entry["kind"] == "dense":
        linear = eqx.nn.Linear(entry["inputs"], entry["units"], entry["use_bias"], key=jax.random.key(0))
        return jax.tree_util.tree_map(jnp.zeros_like, linear)
    if entry["scale"] != entry["center"]:
        raise Unsupported("channelwise_affine leaves out weight and bias together, or neither")
    if not entry.get("track", True):
        raise Unsupported("eqx.nn.BatchNorm has no way to infer without its running statistics")
    return eqx.nn.BatchNorm(
        entry["features"],
        axis_name="batch",
        eps=entry["epsilon"],
        channelwise_affine=entry["scale"],
        momentum=entry["momentum"],
        inference=entry["training"] is False,
        dtype=dtype,
        **({"mode": mode.replace("_jit", "")} if HAS_MODES else {}),
    )


class Stack(eqx.Module):
    """Layers one after another; `order` has for each step the layer's name after those of what encloses it."""

    parts: dict
    order: tuple = eqx.field(static=True)

    def __init__(self, entries, mode, dtype):
        layers = list(flat(entries))
        self.parts = {entry["name"]: build(entry, mode, dtype) for entry, _ in layers if entry["kind"] != "again"}
        self.order = tuple(names for _, names in layers)

    def __call__(self, x, state, through="model", **how):
        for part in [self.parts[names[-1]] for names in self.order if through in names]:
            if isinstance(part, eqx.nn.BatchNorm):
                x, state = part(x, state, **how)
            else:
                x = part(x)
        return x, state


def apply(model, state, x, **how):
    """The output for (N, ..., C), and the state after it; layers get single samples, (C, ...)."""
    batched = jax.vmap(functools.partial(model, **how), axis_name="batch", in_axes=(0, None), out_axes=(0, None))
    output, state = batched(jnp.moveaxis(x, -1, 1), state)
    return jnp.moveaxis(output, 1, -1), state


def gradients(model, spec, state, x, data, loss, **how):
    """The gradients of loss(output, data) by x and by what the filter leaves of the model, the output and the state."""
    learnt, fixed = eqx.partition(model, spec)

    @functools.partial(eqx.filter_grad, has_aux=True)
    def take(given):
        x, learnt = given
        output, after = apply(eqx.combine(learnt, fixed), state, x, **how)
        return loss(output, data), (output, after)

    return take((x, learnt))


@eqx.filter_jit
def make_step(model, spec, optimizer, optimizer_state, state, x, targets, through):
    (_, grads), (_, state) = gradients(model, spec, state, x, targets, mse, through=through)
    updates, optimizer_state = optimizer.update(grads, optimizer_state)
    return eqx.apply_updates(model, updates), optimizer_state, state


def mse(output, targets):
    return jnp.mean((output - targets) ** 2)


def weighted_sum(output, upstream):
    return jnp.sum(upstream * output)


@functools.lru_cache(maxsize=None)
def make_optimizer(name, learning_rate, beta_1=None, beta_2=None, epsilon=None):
    """The same object for the same settings, since jit compiles anew for each object."""
    if name == "adam":
        return optax.adam(learning_rate, b1=beta_1, b2=beta_2, eps=epsilon)
    if name == "sgd":
        return optax.sgd(learning_rate)
    raise Unsupported("the adapter has no optimizer " + name)


def full(name, quantity):
    """A quantity's name; a layer that stands alone is called layer, and its quantities carry no name."""
    return quantity if name == "layer" else name + "." + quantity


class Model:
    """A stack with its state, and the names of the layers that are `frozen`."""

    def __init__(self, entries, shape, mode, dtype="float32"):
        jax.config.update("jax_enable_x64", dtype == "float64")
        self.shape, self.dtype, self.fitting = shape, jnp.dtype(dtype), {}
        self.apply = eqx.filter_jit(apply) if mode == "batch_jit" else apply
        self.gradients = eqx.filter_jit(gradients) if mode == "batch_jit" else gradients
        self.model, self.memory = eqx.nn.make_with_state(Stack)(entries, mode, self.dtype)
        self.frozen = {entry["name"] for entry, _ in flat(entries) if not entry.get("trainable", True)}
        self.places = {}
        for entry, _ in flat(entries):
            part = self.model.parts[entry["name"]]
            for quantity, attribute in ATTRIBUTES.get(entry["kind"], {}).items():
                if getattr(part, attribute) is not None:
                    self.places[full(entry["name"], quantity)] = entry["name"], attribute
            for quantity in STATISTICS if entry["kind"] == "batch_norm" else ():
                self.places[full(entry["name"], quantity)] = entry["name"], quantity
            self.set({full(entry["name"], quantity): value for quantity, value in entry["variables"].items()})

    def run(self, model, x, **how):
        output, self.memory = self.apply(model, self.memory, jnp.asarray(x, self.dtype), **how)
        return np.asarray(output)

    def train(self, x, through="model"):
        return self.run(eqx.nn.inference_mode(self.model, value=False), x, through=through)

    def predict(self, x, through="model", exported=None):
        if exported is None:
            return self.run(eqx.nn.inference_mode(self.model), x, through=through)
        with open(exported + ".jax", "rb") as file:
            return np.asarray(jax.export.deserialize(bytearray(file.read())).call(jnp.asarray(x, self.dtype)))

    def call(self, x, training, through="model"):
        return self.run(self.model, x, through=through, **flag(training))

    def evaluate(self, x, targets, loss, through="model"):
        return np.asarray(mse(self.predict(x, through), targets))

    def spec(self):
        """The filter of the parameters that are not frozen."""
        spec = jax.tree_util.tree_map(eqx.is_inexact_array, self.model)
        for name in self.frozen:
            fixed = jax.tree_util.tree_map(lambda leaf: False, spec.parts[name])
            spec = eqx.tree_at(lambda spec, name=name: spec.parts[name], spec, fixed)
        return spec

    def fit(self, x, targets, loss, optimizer, epochs, batch_size, through="model"):
        if loss != "mse":
            raise Unsupported("the adapter has no loss " + loss)
        optimizer = make_optimizer(**optimizer)
        if through not in self.fitting:
            self.fitting[through] = self.spec(), optimizer.init(eqx.filter(self.model, self.spec()))
        spec, optimizer_state = self.fitting[through]
        model = eqx.nn.inference_mode(self.model, value=False)
        for start in [*range(0, len(x), batch_size)] * epochs:
            batch = [jnp.asarray(data[start : start + batch_size]) for data in (x, targets)]
            model, optimizer_state, self.memory = make_step(
                model, spec, optimizer, optimizer_state, self.memory, *batch, through
            )
        self.fitting[through] = spec, optimizer_state
        self.model = eqx.combine(eqx.filter(model, eqx.is_array), self.model)  # with the flag as it was

    def reached(self, of):
        """The layers that a name means: one, or all of a model."""
        return {names[-1] for names in self.model.order if of in names}

    def freeze(self, of, recompile):
        self.frozen |= self.reached(of)
        self.fitting = {} if recompile else self.fitting

    def unfreeze(self, of, recompile):
        self.frozen -= self.reached(of)
        self.fitting = {} if recompile else self.fitting

    def save(self, path):
        eqx.tree_serialise_leaves(path + ".eqx", (self.model, self.memory))

    def restore(self, path, omit=()):
        skeleton = self.model, self.memory
        if omit:
            shorter = eqx.tree_deserialise_leaves(path + ".eqx", skeleton)
            for name in omit:
                shorter = eqx.tree_at(lambda both, name=name: self.leaf(both, name), shorter, None)
            path += "_without_" + "_".join(omit)
            eqx.tree_serialise_leaves(path + ".eqx", shorter)
        self.model, self.memory = eqx.tree_deserialise_leaves(path + ".eqx", skeleton)

    def leaf(self, both, name):
        """The array of a quantity in a model and its state."""
        model, memory = both
        part, attribute = self.places[name]
        if attribute not in STATISTICS:
            return getattr(model.parts[part], attribute)
        return memory.get(index(model.parts[part]))[STATISTICS.index(attribute)]

    def set(self, values):
        for name, value in values.items():
            part, attribute = self.places[name]
            value = jnp.asarray(value, self.dtype).T  # a dense kernel is (out, in)
            if attribute in STATISTICS:
                pair = list(self.memory.get(index(self.model.parts[part])))
                pair[STATISTICS.index(attribute)] = value
                self.memory = self.memory.set(index(self.model.parts[part]), tuple(pair))
            else:
                self.model = eqx.tree_at(
                    lambda model, at=self.places[name]: getattr(model.parts[at[0]], at[1]), self.model, value
                )

    def state(self):
        return {name: np.asarray(self.leaf((self.model, self.memory), name)).T for name in self.places}

    def export(self, path):
        sizes = ", ".join("n%d" % axis if size is None else str(size) for axis, size in enumerate((None, *self.shape)))
        sample = jax.ShapeDtypeStruct(jax.export.symbolic_shape(sizes), self.dtype)
        model, memory = eqx.nn.inference_mode(self.model), self.memory
        with open(path + ".jax", "wb") as file:
            file.write(jax.export.export(jax.jit(lambda x: apply(model, memory, x)[0]))(sample).serialize())


def flag(training):
    """The arguments of a call; none for None."""
    return {} if training is None else {"inference": not training}


def index(norm):
    """Where a layer's two statistics are in the state."""
    if not HAS_MODES:
        return norm.state_index
    return norm.ema_state_index if norm.mode == "ema" else norm.batch_state_index


class Layer(Model):
    def __init__(self, layer, mode, workdir):
        entry = {"kind": "batch_norm", "name": "layer", **layer}
        super().__init__([entry], layer["shape"], mode, layer["dtype"])

    def backward(self, x, upstream, training):
        x, upstream = (jnp.asarray(data, self.dtype) for data in (x, upstream))
        (by_x, by_model), (output, self.memory) = self.gradients(
            self.model, self.spec(), self.memory, x, upstream, weighted_sum, **flag(training)
        )
        by = by_model.parts["layer"]
        found = {"output": output, "input_gradient": by_x, "gamma_gradient": by.weight, "beta_gradient": by.bias}
        return {name: np.asarray(value) for name, value in found.items() if value is not None}


class Network(Model):
    def __init__(self, network, mode, workdir):
        first = next(flat(network))[0]
        super().__init__(network, first.get("shape") or [first["inputs"]], mode)


def use_layer(cls):
    """Drive another class: it stands where the library's own stood."""
    eqx.nn.BatchNorm = cls
