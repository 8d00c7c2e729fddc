"""keras.layers.BatchNormalization of Keras 3, on the backend that KERAS_BACKEND names.

layer:       the bare layer, called eagerly; it has no fit, and its checkpoint is its get_weights() in an .npz
functional:  keras.Model(inputs, layer(inputs)) and its fit, predict, save_weights; a flag is baked in this call of the layer
sequential:  keras.Sequential([inputs, layer]), else like functional
"""

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
        "backend": "%s %s" % (BACKEND, sys.modules[BACKEND].__version__),
        "modes": {"layer": {}, "functional": {}, "sequential": {}},
        "dialect": {
            # https://www.tensorflow.org/api_docs/python/tf/keras/ops/moments: the example there divides by n
            "variance": "population",
            # undocumented, as observed; a comment in keras/src/backend/torch/nn.py says so of that backend
            "variance_algorithm": "one_pass" if BACKEND == "torch" else "two_pass",
            # https://keras.io/api/layers/normalization_layers/batch_normalization/
            "startup": "none",
            "frozen_training_call": "infers",
            "freeze_takes_effect": "at_compile",
            "bare_call": "infers",
            # https://keras.io/getting_started/faq/ and https://keras.io/guides/transfer_learning/
            "baked_training": "kept",
            # undocumented, as observed
            "one_value_per_channel": "computes",
            # https://keras.io/api/models/model_saving_apis/weights_saving_and_loading: refused unless skip_mismatch
            "missing_statistics": "refused",
            # https://keras.io/api/optimizers/adam/
            "adam_epsilon": "uncorrected",
        },
    }


def use(device):
    keras.device(device).__enter__()  # never left: nothing else in Keras sets a device


def make_layer(entry):
    if entry["kind"] == "batch_norm":
        settings = ("momentum", "epsilon", "center", "scale", "trainable", "dtype", "name")
        return keras.layers.BatchNormalization(**{setting: entry[setting] for setting in settings})
    if entry["kind"] == "dense":
        return keras.layers.Dense(
            entry["units"], use_bias=entry["use_bias"], kernel_initializer="zeros", name=entry["name"]
        )
    if entry["kind"] == "activation":
        return keras.layers.Activation(entry["function"], name=entry["name"])
    raise Unsupported("no layer of the kind %s" % entry["kind"])


def given(**arguments):
    return {name: value for name, value in arguments.items() if value is not None}


class Network:
    """Layers in a keras.Model."""

    def __init__(self, network, mode, workdir):
        if mode == "layer":
            raise Unsupported("a bare layer is no network")
        self.layers = [make_layer(entry) for entry in network]
        shape = next(entry.get("shape") or [entry["inputs"]] for entry in network if entry["kind"] != "activation")
        baked = [given(training=entry.get("training")) for entry in network]
        self.model, self.compiled = getattr(self, mode)(keras.Input(shape), baked), None
        for layer, entry in zip(self.layers, network):
            self.set({self.quantity(layer.name, name): value for name, value in entry["variables"].items()})

    def functional(self, inputs, baked):
        outputs = inputs
        for layer, flag in zip(self.layers, baked):
            outputs = layer(outputs, **flag)
        return keras.Model(inputs, outputs)

    def sequential(self, inputs, baked):
        if any(baked):
            raise Unsupported("keras.Sequential has no place for a training flag")
        return keras.Sequential([inputs] + self.layers)

    def quantity(self, layer, variable):
        return "%s.%s" % (layer, variable)

    def variables(self):
        return {self.quantity(layer.name, v.name): v for layer in self.layers for v in layer.weights}

    def state(self):
        return {name: variable.numpy() for name, variable in self.variables().items()}

    def set(self, values):
        for name, value in values.items():
            self.variables()[name].assign(value)

    def train(self, x, mask=None):
        return self.call(x, True, mask)

    def predict(self, x):
        return self.model.predict(x, verbose=0)

    def call(self, x, training=None, mask=None):
        mask = None if mask is None else mask.astype(bool)
        return keras.ops.convert_to_numpy(self.model(x, **given(training=training, mask=mask)))

    def fit(self, x, targets, loss, optimizer, epochs, batch_size):
        if self.compiled != (loss, optimizer):
            self.compile(loss, optimizer)
        self.model.fit(x, targets, batch_size=batch_size, epochs=epochs, shuffle=False, verbose=0)

    def compile(self, loss, optimizer):
        settings = {name: value for name, value in optimizer.items() if name != "name"}
        self.model.compile(OPTIMIZERS[optimizer["name"]](**settings), loss)
        self.compiled = loss, optimizer

    def freeze(self, of, recompile):
        self.set_trainable(of, False, recompile)

    def unfreeze(self, of, recompile):
        self.set_trainable(of, True, recompile)

    def set_trainable(self, of, trainable, recompile):
        self.part(of).trainable = trainable
        if recompile and self.compiled:
            self.compile(*self.compiled)

    def part(self, of):
        return self.model if of == "model" else self.model.get_layer(of)

    def save(self, path):
        self.model.save_weights(path + ".weights.h5")

    def restore(self, path, omit=()):
        self.model.load_weights((self.lacking(omit, path) if omit else path) + ".weights.h5")

    def lacking(self, omit, path):
        """A copy of the checkpoint without some quantities: a layer lies under its class and count, a variable under its number."""
        shutil.copyfile(path + ".weights.h5", path + "-lacking.weights.h5")
        with h5py.File(path + "-lacking.weights.h5", "a") as file:
            for layer in self.layers:
                ...
        return path + "-lacking"


class Layer(Network):
    """One batch normalisation, bare or in a keras.Model."""

    def __init__(self, layer, mode, workdir):
        entry = dict(layer, kind="batch_norm", name="layer")
        if mode != "layer":
            super().__init__([entry], mode, workdir)
