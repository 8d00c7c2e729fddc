"""keras.layers.BatchNormalization of Keras 3, on the backend that KERAS_BACKEND names.

layer:       the bare layer, called eagerly; it has no fit, and its checkpoint is its get_weights() in an .npz
functional:  keras.Model(inputs, layer(inputs)) with fit, predict and save_weights; a flag is baked into layer(inputs)
sequential:  keras.Sequential([inputs, layer]), else like functional
subclass:    a class of its own that calls its layers one by one, else like functional
nested:      a functional model inside another
graph:       a functional model whose passes are compiled, by tf.function or jax.jit
whole_model: functional; its checkpoint is a .keras file, which load_model makes a model of
"""

import re
import shutil
import sys
from collections import Counter
from functools import partial

import h5py
import keras
import numpy as np

READS = ("$KERAS_HOME/keras.json", "$HOME/.keras/keras.json")
BACKEND = keras.config.backend()
OPTIMIZERS = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam}


class Unsupported(Exception):
    """Keras has no such thing."""


def describe():
    return {
        "framework": "keras",
        "version": keras.__version__,
        "backend": f"{BACKEND} {sys.modules[BACKEND].__version__.split('-')[0]}",
        "modes": {
            "layer": {},
            "functional": {},
            "sequential": {},
            "subclass": {},
            "nested": {},
            "graph": {},
            # https://keras.io/api/models/model_saving_apis/model_saving_and_loading/
            "whole_model": {"settings_restored": "checkpoint"},
        },
        "about": {
            "sequential": ["FREEZE-4", "FREEZE-7", "MODE-9", "STRUCT-1"],
            "subclass": ["FREEZE-4", "FREEZE-7", "MODE-9", "STRUCT-1"],
            "nested": ["freeze", "unfreeze", "MODE-9"],
            "graph": ["COMPILE-1", "NUM-2", "STRUCT-1"],
            "whole_model": ["restore"],
        },
        "dialect": {
            # https://github.com/keras-team/keras/blob/v3.15.1/keras/src/ops/nn.py: the example of moments divides by n
            "variance": "population",
            # undocumented, as observed; the algorithm is the backend's
            "variance_algorithm": "two_pass" if BACKEND in ("tensorflow", "jax") else "one_pass",
            "one_value_per_channel": "computes",
            # https://github.com/keras-team/keras/blob/v3.15.1/keras/src/layers/normalization/batch_normalization.py
            "startup": "none",
            "frozen_training_call": "infers",
            "freeze_takes_effect": "at_compile",
            "bare_call": "infers",
            # https://github.com/keras-team/keras-io/blob/01f488dc48/templates/getting_started/faq.md
            # https://github.com/keras-team/keras/blob/09c133c565/guides/transfer_learning.py
            "baked_training": "kept",
            # https://github.com/keras-team/keras/blob/v3.15.1/keras/src/models/model.py: unless skip_mismatch is given
            "missing_statistics": "refused",
            # https://www.tensorflow.org/api_docs/python/tf/keras/DTypePolicy: compute and variables have the dtype given
            "state_dtype": "layer",
            # "prone to overflow with float16/bfloat16 inputs, so we upcast to float32", where the layer's code is
            "arithmetic": "float32",
            # undocumented, as observed: the mean of nothing, and a sum over a mask with a constant under it
            "empty_batch": "zeros" if BACKEND == "openvino" else "nan",
            "masked_batch": "zeros",
            # https://github.com/keras-team/keras/blob/v3.15.1/keras/src/optimizers/adam.py
            "adam_epsilon": "uncorrected",
        },
    }


def use(device):
    keras.device(device).__enter__()  # for good: nothing else in Keras sets a device


def given(**arguments):
    return {name: value for name, value in arguments.items() if value is not None}


def make_layer(entry):
    name, kind = entry["name"], entry["kind"]
    if kind == "batch_norm":
        if not entry["track"]:
            raise Unsupported("Keras has no layer without moving statistics")
        settings = ("momentum", "epsilon", "center", "scale", "trainable", "dtype")
        return keras.layers.BatchNormalization(name=name, **{setting: entry[setting] for setting in settings})
    if kind == "dense":
        return keras.layers.Dense(entry["units"], use_bias=entry["use_bias"], kernel_initializer="zeros", name=name)
    if kind == "activation":
        return keras.layers.Activation(entry["function"], name=name)
    raise Unsupported(f"no layer of the kind {kind} here")


def functional(entries, inputs, made, name=None):
    outputs = inputs
    for entry in entries:
        if entry["kind"] == "model":
            made[entry["name"]] = functional(
                entry["layers"], keras.Input(outputs.shape[1:], dtype=outputs.dtype), made, entry["name"]
            )
        elif entry["kind"] != "again":
            made[entry["name"]] = make_layer(entry)
        outputs = made[entry["name"]](outputs, **given(training=entry.get("training")))
    return keras.Model(inputs, outputs, name=name)


def one_by_one(make, entries, made):
    """The layers of entries, those of nested models made by `make`."""
    for entry in entries:
        if entry["kind"] == "model":
            made[entry["name"]] = make(entry["layers"], made, entry["name"])
        elif entry["kind"] != "again":
            made[entry["name"]] = make_layer(entry)
        elif make is sequential:
            raise Unsupported("a Sequential model takes no layer twice")
        if entry.get("training") is not None:
            raise Unsupported("the place for a baked training flag is layer(inputs, training=…), in a functional model")
        yield made[entry["name"]]


def sequential(entries, made, name=None):
    return keras.Sequential(list(one_by_one(sequential, entries, made)), name=name)


class Subclass(keras.Model):
    def __init__(self, entries, made, name=None):
        super().__init__(name=name, dtype=entries[0].get("dtype"))
        self.steps = list(one_by_one(Subclass, entries, made))

    def call(self, x, training=None):
        for layer in self.steps:
            x = layer(x) if isinstance(layer, keras.layers.Activation) else layer(x, training=training)
        return x


def make_model(mode, entries, made):
    first = next(entry for entry in flat(entries) if entry["kind"] in ("batch_norm", "dense"))
    shape = first.get("shape") or [first["inputs"]]
    if mode in ("sequential", "subclass"):
        model = {"sequential": sequential, "subclass": Subclass}[mode](entries, made)
    elif mode == "layer":
        (model,) = one_by_one(None, entries, made)
    else:
        if mode == "nested":
            entries = [{"kind": "model", "name": "inner", "layers": entries}]
        return functional(entries, keras.Input(shape, dtype=first.get("dtype")), made)
    if mode == "subclass":
        model(keras.Input(shape, dtype=first.get("dtype")))  # which makes the variables
    else:
        model.build((None, *shape))
    return model


def flat(entries):
    for entry in entries:
        yield entry
        yield from flat(entry.get("layers", ()))


class Network:
    """Named layers in a model."""

    def __init__(self, network, mode, workdir):
        if mode == "layer":
            raise Unsupported("a bare layer is no network")
        if BACKEND == "openvino":
            raise Unsupported("openvino multiplies matrices in bfloat16 where a processor can, and elsewhere not")
        self.build(network, mode)

    def build(self, entries, mode):
        self.how, self.compiled, made = mode, {}, {}
        self.adopt(make_model(mode, entries, made))
        for entry in flat(entries):
            values = entry["variables"].items()
            self.set({self.quantity(made[entry["name"]], name): value for name, value in values})

    def adopt(self, model):
        """Take a model as what is driven."""
        self.model, self.run = model, model
        self.parts = {"layer": model} if self.how == "layer" else {**dict(inside(model)), "model": model}
        if self.how == "graph":
            if BACKEND not in GRAPHS:
                raise Unsupported(f"nothing is compiled on {BACKEND} here")
            self.run = GRAPHS[BACKEND](model)

    def quantity(self, layer, name):
        return f"{layer.name}.{name}"

    def variables(self):
        layers = [part for part in self.parts.values() if not isinstance(part, keras.Model)]
        return {self.quantity(layer, v.name): v for layer in layers for v in layer.weights}

    def state(self):
        return {name: keras.ops.convert_to_numpy(v) for name, v in self.variables().items()}

    def set(self, values):
        for name, value in values.items():
            self.variables()[name].assign(value)

    def called(self, through):
        return self.parts[through] if through else self.run

    def call(self, x, training=None, mask=None, through=None):
        if mask is not None and self.how == "subclass":
            raise Unsupported("a model of one's own takes a mask where it has an argument for it")
        mask = None if mask is None else mask.astype(bool)
        return keras.ops.convert_to_numpy(self.called(through)(x, **given(training=training, mask=mask)))

    def train(self, x, mask=None, through=None):
        return self.call(x, True, mask, through)

    def predict(self, x, mask=None, through=None, exported=None):
        if exported:
            suffix, _, infer = EXPORTS[BACKEND]
            return infer(exported + suffix, x)
        if self.how in ("layer", "graph"):
            return self.call(x, False, mask, through)
        if mask is not None:
            raise Unsupported("the predict of a model takes no mask")
        return self.parts[through or "model"].predict(x, verbose=0)

    def fit(
        self, x, targets, loss, optimizer, epochs, batch_size, validation=None, validation_targets=None, through=None
    ):
        if self.how in ("layer", "graph"):
            raise Unsupported(f"mode {self.how} has no fit")
        if BACKEND in ("numpy", "openvino"):
            raise Unsupported(f"Keras has no fit on {BACKEND}")
        if self.compiled.get(through) != (loss, optimizer):
            self.compile(through, loss, optimizer)
        validated = {} if validation is None else {"validation_data": (validation, validation_targets)}
        model = self.parts[through or "model"]
        model.fit(x, targets, batch_size=batch_size, epochs=epochs, shuffle=False, verbose=0, **validated)

    def evaluate(self, x, targets, loss, through=None):
        if self.how in ("layer", "graph"):
            raise Unsupported(f"mode {self.how} has no evaluate")
        model = self.parts[through or "model"]
        if through not in self.compiled:
            model.compile(loss=loss)
        return model.evaluate(x, targets, verbose=0)

    def compile(self, through, loss, optimizer):
        settings = {name: value for name, value in optimizer.items() if name != "name"}
        self.parts[through or "model"].compile(optimizer=OPTIMIZERS[optimizer["name"]](**settings), loss=loss)
        self.compiled[through] = loss, optimizer

    def freeze(self, of, recompile):
        self.set_trainable(of, False, recompile)

    def unfreeze(self, of, recompile):
        self.set_trainable(of, True, recompile)

    def set_trainable(self, of, trainable, recompile):
        if of not in self.parts:
            raise Unsupported(f"there is no {of} here, only {', '.join(self.parts)}")
        self.parts[of].trainable = trainable
        if recompile:
            for through, how in self.compiled.items():
                self.compile(through, *how)

    def export(self, path):
        if BACKEND not in EXPORTS or self.how == "layer":
            raise Unsupported(f"a {self.how} on {BACKEND} is not exported here")
        suffix, options, _ = EXPORTS[BACKEND]
        self.model.export(path + suffix, verbose=False, **options())

    def save(self, path):
        if self.how == "layer":
            state = self.state().items()  # NumPy's format has no bfloat16
            np.savez(path + ".npz", **{name: v.astype("float32") if v.dtype == "bfloat16" else v for name, v in state})
        elif self.how == "whole_model":
            self.model.save(path + ".keras")
        else:
            self.model.save_weights(path + ".weights.h5")

    def restore(self, path, omit=()):
        if self.how == "layer":
            with np.load(path + ".npz") as saved:
                self.model.set_weights([saved[name] for name in self.variables() if name not in omit])
        elif self.how == "whole_model":
            if omit:
                raise Unsupported("a whole model lacks nothing")
            self.adopt(keras.models.load_model(path + ".keras"))
        else:
            self.model.load_weights(self.without(omit, path + ".weights.h5") if omit else path + ".weights.h5")

    def without(self, omit, path):
        """A copy of a checkpoint, lacking some quantities: in it, variables go by number."""
        lacking = path.replace(".weights.h5", "-lacking.weights.h5")
        shutil.copyfile(path, lacking)
        with h5py.File(lacking, "a") as file:
            for group, layer in groups(self.model):
                for number, v in enumerate(layer.weights):
                    if self.quantity(layer, v.name) in omit:
                        del file[f"{group}/vars/{number}"]
        return lacking


def inside(model):
    """The name of each layer and model in a model, at every level, with it."""
    for layer in model.layers:
        yield layer.name, layer
        if isinstance(layer, keras.Model):
            yield from inside(layer)


def groups(model, path=""):
    """Where each layer is in a checkpoint: by class and count, in a list that is named like the model's attribute."""
    counts, path = Counter(), path + ("steps/" if isinstance(model, Subclass) else "layers/")
    for layer in model.layers:
        kind = re.sub("(?!^)([A-Z])", r"_\1", type(layer).__name__).lower()
        group = path + (f"{kind}_{counts[kind]}" if counts[kind] else kind)
        counts[kind] += 1
        if isinstance(layer, keras.Model):
            yield from groups(layer, group + "/")
        else:
            yield group, layer


class Layer(Network):
    """One batch normalisation, bare or in a model."""

    def __init__(self, layer, mode, workdir):
        self.build([dict(layer, kind="batch_norm", name="layer")], mode)

    def quantity(self, layer, name):
        return name

    def backward(self, x, upstream, training):
        if BACKEND not in GRADIENTS:
            raise Unsupported(f"no gradients of Keras on {BACKEND} here")
        dtype = self.parts["layer"].dtype
        tensors = keras.ops.convert_to_tensor(x, dtype), keras.ops.convert_to_tensor(upstream, dtype)
        output, gradients = GRADIENTS[BACKEND](self.model, *tensors, given(training=training))
        names = ["input_gradient", *(f"{v.name}_gradient" for v in self.model.trainable_variables)]
        quantities = dict(zip(names, gradients), output=output)
        return {name: keras.ops.convert_to_numpy(value) for name, value in quantities.items()}


def tensorflow_gradients(model, x, upstream, flag):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(x)
        output = model(x, **flag)
    return output, tape.gradient(output, [x, *model.trainable_variables], upstream)


def torch_gradients(model, x, upstream, flag):
    import torch

    output = model(x.requires_grad_(), **flag)
    return output, torch.autograd.grad(output, [x, *(v.value for v in model.trainable_variables)], upstream)


def jax_gradients(model, x, upstream, flag):
    import jax

    def forward(x, *trained):
        return model.stateless_call(trained, [v.value for v in model.non_trainable_variables], x, **flag)

    trained = [v.value for v in model.trainable_variables]
    output, backward, moved = jax.vjp(forward, x, *trained, has_aux=True)
    for variable, value in zip(model.non_trainable_variables, moved):
        variable.assign(value)
    return output, backward(upstream)


def tensorflow_graph(model):
    import tensorflow as tf

    return tf.function(model)


def tensorflow_exported(path, x):
    import tensorflow as tf

    model = tf.saved_model.load(path)  # which holds the variables of its functions
    return model.serve(x).numpy()


def torch_options():
    import torch

    return {"format": "torch", "dynamic_shapes": {0: torch.export.Dim("batch", min=1, max=128)}}


def torch_exported(path, x):
    import torch

    return torch.export.load(path).module()(torch.from_numpy(x)).detach().numpy()


def openvino_exported(path, x):
    import openvino

    return openvino.Core().compile_model(path)(x)[0]


def jax_graph(model):
    import jax

    @partial(jax.jit, static_argnames="training")
    def compiled(trained, others, x, training):
        return model.stateless_call(trained, others, x, training=training)

    def run(x, training=None):
        trained, others = model.trainable_variables, model.non_trainable_variables
        output, moved = compiled([v.value for v in trained], [v.value for v in others], x, training=training)
        for variable, value in zip(others, moved):
            variable.assign(value)
        return output

    return run


EXPORTS = {  # suffix, options, inference
    "tensorflow": ("", dict, tensorflow_exported),
    "torch": (".pt2", torch_options, torch_exported),
    "openvino": (".xml", partial(dict, format="openvino"), openvino_exported),
}
GRAPHS = {"tensorflow": tensorflow_graph, "jax": jax_graph}
GRADIENTS = {"tensorflow": tensorflow_gradients, "torch": torch_gradients, "jax": jax_gradients}


def use_layer(cls):
    """Drive another class: it stands where Keras's own stood."""
    keras.layers.BatchNormalization = cls
