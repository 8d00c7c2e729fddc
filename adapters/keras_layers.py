"""keras.layers.BatchNormalization of Keras 3, on the backend that KERAS_BACKEND names.

layer:       the bare layer, called eagerly; it has no fit, and its checkpoint is its get_weights() in an .npz
functional:  keras.Model(inputs, layer(inputs)) with fit, predict and save_weights; a flag is baked into layer(inputs)
sequential:  keras.Sequential([inputs, layer]), else like functional
"""

import re
import shutil
import sys

import h5py
import keras
import numpy as np

BACKEND = keras.config.backend()
OPTIMIZERS = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam}


class Unsupported(Exception):
    """Keras has no such thing."""


def describe():
    return {
        "framework": "keras",
        "version": keras.__version__,
        "backend": f"{BACKEND} {sys.modules[BACKEND].__version__}",
        "modes": {"layer": {}, "functional": {}, "sequential": {}},
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
        settings = ("momentum", "epsilon", "center", "scale", "trainable", "dtype")
        return keras.layers.BatchNormalization(name=name, **{setting: entry[setting] for setting in settings})
    if kind == "dense":
        return keras.layers.Dense(entry["units"], use_bias=entry["use_bias"], kernel_initializer="zeros", name=name)
    if kind == "activation":
        return keras.layers.Activation(entry["function"], name=name)
    raise Unsupported(f"no layer of the kind {kind} here")


def make_model(mode, entries, layers):
    flags = [given(training=entry.get("training")) for entry in entries]
    if mode != "functional" and any(flags):
        raise Unsupported(f"mode {mode} has no place for a baked training flag: that is in layer(inputs, training=…)")
    shape = next(entry.get("shape") or [entry["inputs"]] for entry in entries if entry["kind"] != "activation")
    if mode == "layer":
        layers[0].build((None, *shape))
        return layers[0]
    inputs = outputs = keras.Input(shape)
    if mode == "sequential":
        return keras.Sequential([inputs, *layers])
    for layer, flag in zip(layers, flags):
        outputs = layer(outputs, **flag)
    return keras.Model(inputs, outputs)


class Network:
    """Named layers in a model."""

    def __init__(self, network, mode, workdir):
        if mode == "layer":
            raise Unsupported("a bare layer is no network")
        self.build(network, mode)

    def build(self, entries, mode):
        self.bare, self.compiled = mode == "layer", None
        self.layers = [make_layer(entry) for entry in entries]
        self.model = make_model(mode, entries, self.layers)
        for layer, entry in zip(self.layers, entries):
            self.set({self.quantity(layer, name): value for name, value in entry["variables"].items()})

    def quantity(self, layer, name):
        return f"{layer.name}.{name}"

    def variables(self):
        return {self.quantity(layer, v.name): v for layer in self.layers for v in layer.weights}

    def state(self):
        return {name: v.numpy() for name, v in self.variables().items()}

    def set(self, values):
        for name, value in values.items():
            self.variables()[name].assign(value)

    def call(self, x, training=None, mask=None):
        mask = None if mask is None else mask.astype(bool)
        return keras.ops.convert_to_numpy(self.model(x, **given(training=training, mask=mask)))

    def train(self, x, mask=None):
        return self.call(x, True, mask)

    def predict(self, x, mask=None):
        if self.bare:
            return self.call(x, False, mask)
        if mask is not None:
            raise Unsupported("the predict of a model takes no mask")
        return self.model.predict(x, verbose=0)

    def fit(self, x, targets, loss, optimizer, epochs, batch_size):
        if self.bare:
            raise Unsupported("a bare layer has no fit")
        if self.compiled != (loss, optimizer):
            self.compile(loss, optimizer)
        self.model.fit(x, targets, batch_size=batch_size, epochs=epochs, shuffle=False, verbose=0)

    def compile(self, loss, optimizer):
        settings = {name: value for name, value in optimizer.items() if name != "name"}
        self.model.compile(optimizer=OPTIMIZERS[optimizer["name"]](**settings), loss=loss)
        self.compiled = loss, optimizer

    def freeze(self, of, recompile):
        self.set_trainable(of, False, recompile)

    def unfreeze(self, of, recompile):
        self.set_trainable(of, True, recompile)

    def set_trainable(self, of, trainable, recompile):
        parts = {layer.name: layer for layer in self.layers}
        if not self.bare:
            parts["model"] = self.model
        if of not in parts:
            raise Unsupported(f"there is no {of} here, only {', '.join(parts)}")
        parts[of].trainable = trainable
        if recompile and self.compiled:
            self.compile(*self.compiled)

    def save(self, path):
        if self.bare:
            np.savez(path + ".npz", **self.state())
        else:
            self.model.save_weights(path + ".weights.h5")

    def restore(self, path, omit=()):
        if self.bare:
            with np.load(path + ".npz") as saved:
                self.model.set_weights([saved[name] for name in self.variables() if name not in omit])
        else:
            self.model.load_weights(self.without(omit, path + ".weights.h5") if omit else path + ".weights.h5")

    def without(self, omit, path):
        """A copy of a checkpoint, lacking some quantities: layers are in it by class and count, variables by number."""
        lacking = path.replace(".weights.h5", "-lacking.weights.h5")
        shutil.copyfile(path, lacking)
        kinds = [re.sub("(?!^)([A-Z])", r"_\1", type(layer).__name__).lower() for layer in self.layers]
        with h5py.File(lacking, "a") as file:
            for position, layer in enumerate(self.layers):
                kind, count = kinds[position], kinds[:position].count(kinds[position])
                for number, v in enumerate(layer.weights):
                    if self.quantity(layer, v.name) in omit:
                        del file[f"layers/{kind}_{count}/vars/{number}" if count else f"layers/{kind}/vars/{number}"]
        return lacking


class Layer(Network):
    """One batch normalisation, bare or in a model."""

    def __init__(self, layer, mode, workdir):
        self.build([dict(layer, kind="batch_norm", name="layer")], mode)

    def quantity(self, layer, name):
        return name

    def backward(self, x, upstream, training):
        if BACKEND not in GRADIENTS:
            raise Unsupported(f"no gradients of Keras on {BACKEND} here")
        tensors = keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(upstream)
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


GRADIENTS = {"tensorflow": tensorflow_gradients, "torch": torch_gradients, "jax": jax_gradients}


def use_layer(cls):
    """Drive another class: it stands where Keras's own stood."""
    keras.layers.BatchNormalization = cls
