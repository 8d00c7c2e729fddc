"""Drives hk.BatchNorm through hk.transform_with_state; mode jit compiles what it gives, as fit does in both modes."""

import contextlib
import functools
import json

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import optax

with contextlib.suppress(ImportError):  # since JAX 0.4.30
    import jax.export

PLACES = {  # {quantity: (module below the layer, its name there)}
    "batch_norm": {
        "moving_mean": ("/~/mean_ema", "average"),
        "moving_variance": ("/~/var_ema", "average"),
        "gamma": ("", "scale"),
        "beta": ("", "offset"),
    },
    "dense": {"kernel": ("", "w"), "bias": ("", "b")},
    "activation": {},
}


class Unsupported(Exception):
    """Haiku has no such thing."""


def describe():
    return {
        "framework": "dm-haiku",
        "version": hk.__version__,
        "backend": "jax " + jax.__version__,
        "modes": {"eager": {}, "jit": {}},
        "dialect": {
            # the variance of the output is that of the statistics, is_training has no default, and the parameters and
            # the averages have the dtype of the input:
            # https://github.com/google-deepmind/dm-haiku/blob/0551ea2/haiku/_src/batch_norm.py
            "variance": "population",
            "variance_algorithm": "one_pass",
            "bare_call": "refuses",
            "state_dtype": "layer",
            "arithmetic": "layer",
            # "the Adam debiasing procedure":
            # https://github.com/google-deepmind/dm-haiku/blob/19e3711/haiku/_src/moving_averages.py
            "startup": "zero_debias",
            # undocumented, as observed: the first average is that of the batch that init is given, which is zeros here
            "initial_variance": "zero",
            # parameters are frozen by splitting them off before gradients are taken; statistics are none, and the
            # split is made once, for the optimizer's state has its structure:
            # https://github.com/google-deepmind/dm-haiku/blob/0438556/docs/notebooks/non_trainable.ipynb
            "frozen_training_call": "trains",
            "freeze_takes_effect": "at_compile",
            "empty_batch": "nan",  # undocumented, as observed: the mean of nothing is NaN
            "adam_epsilon": "corrected",  # https://optax.readthedocs.io/en/latest/api/generated/optax.adam.html
        },
    }


def use(device):
    jax.config.update("jax_default_device", jax.devices(device)[0])


def build(entry):
    name = entry["name"]
    if entry["kind"] == "activation":
        return getattr(jax.nn, entry["function"])
    if entry["kind"] == "dense":
        return hk.Linear(entry["units"], entry["use_bias"], w_init=hk.initializers.Constant(0), name=name)
    return hk.BatchNorm(entry["scale"], entry["center"], entry["momentum"], entry["epsilon"], name=name)


def flat(entries, within=("model",)):
    """Each layer of all levels in order, with the names of what encloses it and its own."""
    for entry in entries:
        names = (*within, entry["name"])
        if entry["kind"] == "model":
            yield from flat(entry["layers"], names)
        else:
            yield entry, names


@functools.lru_cache(maxsize=None)
def transformed(text):
    """The pure functions of a network; the same for the same text, since jit compiles anew for each."""
    layers = list(flat(json.loads(text)))

    def network(x, through="model", **how):
        parts = {entry["name"]: build(entry) for entry, _ in layers if entry["kind"] != "again"}
        for part in [parts[entry["name"]] for entry, names in layers if through in names]:
            x = part(x, **how) if isinstance(part, hk.BatchNorm) else part(x)
        return x

    return hk.without_apply_rng(hk.transform_with_state(network))


def gradients(apply, loss, params, fixed, state, x, data, **how):
    """The gradients of loss(output, data) by params and x, and what apply returns; fixed params get none."""

    def loss_fn(params, x):
        output, updated = apply(hk.data_structures.merge(params, fixed), state, x, **how)
        return loss(output, data), (output, updated)

    return jax.grad(loss_fn, argnums=(0, 1), has_aux=True)(params, x)


def train_step(apply, optimizer, params, fixed, state, optimizer_state, x, targets, **how):
    (grads, _), (_, state) = gradients(apply, mse, params, fixed, state, x, targets, **how)
    updates, optimizer_state = optimizer.update(grads, optimizer_state)
    return optax.apply_updates(params, updates), state, optimizer_state


def mse(output, targets):
    return jnp.mean((output - targets) ** 2)


def weighted_sum(output, upstream):
    return jnp.sum(upstream * output)


HOW = ("through", "is_training", "test_local_stats")
train_step = jax.jit(train_step, static_argnames=("apply", "optimizer", *HOW))
jitted_gradients = jax.jit(gradients, static_argnames=("apply", "loss", *HOW))
jitted_apply = jax.jit(lambda apply, *args, **how: apply(*args, **how), static_argnames=("apply", *HOW))


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
    """Params and averages, the `places` of the quantities in them, and the layers that are `frozen`."""

    def __init__(self, entries, shape, mode, dtype="float32", track=True):
        jax.config.update("jax_enable_x64", dtype == "float64")
        self.compiled, self.dtype, self.shape, self.track = mode == "jit", dtype, shape, track
        self.layers, self.places, self.momentum, self.fitting = list(flat(entries)), {}, {}, {}
        self.frozen = {entry["name"] for entry, _ in self.layers if not entry.get("trainable", True)}
        init, self.apply = transformed(json.dumps(entries, default=lambda array: None))
        # a new average is that of the batch that init is given, before any training
        sample = jnp.zeros([1, *(size or 1 for size in shape)], dtype)
        self.params, self.averages = init(None, sample, **self.how(True))
        for entry, _ in self.layers:
            self.start(entry["name"], entry)

    def start(self, name, entry):
        """Find the places of a layer's quantities, and give them the values that it starts with."""
        if entry.get("momentum") == 1:
            raise Unsupported("the decay of hk.ExponentialMovingAverage must be below 1")
        self.momentum[name] = entry.get("momentum")
        for quantity, (below, leaf) in PLACES.get(entry["kind"], {}).items():
            if leaf in self.params.get(name + below, self.averages.get(name + below, {})):
                self.places[full(name, quantity)] = name + below, leaf
        self.set({full(name, quantity): value for quantity, value in entry["variables"].items()})

    def how(self, training):
        """The arguments of a pass; none for None."""
        if training is None:
            return {}
        return {"is_training": training} if self.track else {"is_training": False, "test_local_stats": True}

    def run(self, x, training, through):
        apply = functools.partial(jitted_apply, self.apply) if self.compiled else self.apply
        x = jnp.asarray(x, self.dtype)
        output, self.averages = apply(self.params, self.averages, x, through=through, **self.how(training))
        return np.asarray(output)

    def train(self, x, through="model"):
        return self.run(x, True, through)

    def predict(self, x, through="model", exported=None):
        if exported is None:
            return self.run(x, False, through)
        with open(exported + ".jax", "rb") as file:
            return np.asarray(jax.export.deserialize(bytearray(file.read())).call(jnp.asarray(x, self.dtype)))

    def call(self, x, training, through="model"):
        return self.run(x, training, through)

    def evaluate(self, x, targets, loss, through="model"):
        return np.asarray(mse(self.predict(x, through), targets))

    def split(self, frozen):
        """The params that learn, and those that do not."""
        return hk.data_structures.partition(lambda module, name, value: module not in frozen, self.params)

    def fit(self, x, targets, loss, optimizer, epochs, batch_size, through="model"):
        if loss != "mse":
            raise Unsupported("the adapter has no loss " + loss)
        optimizer = make_optimizer(**optimizer)
        if through not in self.fitting:
            self.fitting[through] = frozenset(self.frozen), optimizer.init(self.split(self.frozen)[0])
        frozen, state = self.fitting[through]
        params, fixed = self.split(frozen)
        how = {"through": through, **self.how(True)}
        for start in [*range(0, len(x), batch_size)] * epochs:
            batch = [jnp.asarray(data[start : start + batch_size]) for data in (x, targets)]
            params, self.averages, state = train_step(
                self.apply, optimizer, params, fixed, self.averages, state, *batch, **how
            )
        self.params, self.fitting[through] = hk.data_structures.merge(params, fixed), (frozen, state)

    def reached(self, of):
        """The layers that a name means: one, or all of a model."""
        return {names[-1] for _, names in self.layers if of in names}

    def freeze(self, of, recompile):
        self.frozen |= self.reached(of)
        self.fitting = {} if recompile else self.fitting

    def unfreeze(self, of, recompile):
        self.frozen -= self.reached(of)
        self.fitting = {} if recompile else self.fitting

    def save(self, path):
        saved = {**self.params, **self.averages}
        np.savez(path, **{module + "|" + name: saved[module][name] for module in saved for name in saved[module]})

    def restore(self, path, omit=()):
        if omit:
            raise Unsupported("Haiku does not restore: one's program assigns what it has loaded, all of it or some")
        with np.load(path + ".npz") as saved:
            self.params, self.averages = (
                {module: {name: self.loaded(saved, module, name) for name in tree[module]} for module in tree}
                for tree in (self.params, self.averages)
            )

    def loaded(self, saved, module, name):
        """An array of a checkpoint; NumPy does not know bfloat16 and gives its bytes."""
        array = saved[module + "|" + name]
        if array.shape != {**self.params, **self.averages}[module][name].shape:
            raise Unsupported("Haiku does not restore: one's program assigns what it has loaded, of whatever shape")
        return jnp.asarray(array.view("bfloat16") if array.dtype.kind == "V" else array)

    def set(self, values):
        for name, value in values.items():
            module, leaf = self.places[name]
            old = {**self.params, **self.averages}[module]
            new = {**old, leaf: jnp.asarray(value, old[leaf].dtype).reshape(old[leaf].shape)}
            if leaf == "average":  # what the next update starts from is hidden, and divided by 1 - momentum ** counter
                new["hidden"] = new["average"] * (1 - self.momentum[module.split("/")[0]] ** old["counter"])
            tree = "averages" if leaf == "average" else "params"
            setattr(self, tree, {**getattr(self, tree), module: new})

    def state(self):
        variables = {**self.params, **self.averages}
        return {
            name: np.asarray(variables[module][leaf]).reshape(variables[module][leaf].shape[-2 * (leaf == "w") or -1 :])
            for name, (module, leaf) in self.places.items()
        }

    def export(self, path):
        sizes = ", ".join("n%d" % axis if size is None else str(size) for axis, size in enumerate((None, *self.shape)))
        sample = jax.ShapeDtypeStruct(jax.export.symbolic_shape(sizes), self.dtype)
        infer = jax.jit(lambda x: self.apply(self.params, self.averages, x, **self.how(False))[0])
        with open(path + ".jax", "wb") as file:
            file.write(jax.export.export(infer)(sample).serialize())


class Layer(Model):
    def __init__(self, layer, mode, workdir):
        if layer["training"] is not None:
            raise Unsupported("is_training is an argument of the call, and nothing else says what a pass is")
        entry = {"kind": "batch_norm", "name": "layer", **layer}
        super().__init__([entry], layer["shape"], mode, layer["dtype"], layer.get("track", True))

    def backward(self, x, upstream, training):
        x, upstream = (jnp.asarray(data, self.dtype) for data in (x, upstream))
        take = jitted_gradients if self.compiled else gradients
        (by_params, by_x), (output, self.averages) = take(
            self.apply, weighted_sum, *self.split(self.frozen), self.averages, x, upstream, **self.how(training)
        )
        names = {"scale": "gamma_gradient", "offset": "beta_gradient"}
        found = {names[leaf]: by.reshape(-1) for leaf, by in by_params.get("layer", {}).items()}
        return {name: np.asarray(by) for name, by in {"output": output, "input_gradient": by_x, **found}.items()}


class Network(Model):
    def __init__(self, network, mode, workdir):
        if not all(entry.get("track", True) for entry, _ in flat(network)):
            raise Unsupported("this adapter gives test_local_stats to a layer alone")
        first = next(flat(network))[0]
        super().__init__(network, first.get("shape") or [first["inputs"]], mode)
