"""keras.layers.BatchNormalization of Keras 3 on TensorFlow, as a model's SavedModel goes on with it.

export:   trained in Keras; inference is the served signature of what model.export wrote, anew after each change
save:     trained in Keras; inference is the served signature of what tf.saved_model.save wrote, anew after each change
archive:  an ExportArchive with an endpoint for training, one for inference and one for a call without the flag is
          written once and loaded; every pass goes through its endpoints, and the state is that of its own variables
"""

import tempfile

import keras
import tensorflow as tf

ABOUT = ["export", "PURE-2", "PURE-3", "MODE-2", "MODE-3", "NORM-4"]
ENDPOINTS = {True: "train", False: "infer", None: "call"}  # by the flag


class Unsupported(Exception):
    """A SavedModel has no such thing, or this adapter has not."""


def describe():
    return {
        "framework": "keras",
        "version": keras.__version__,
        "backend": "tensorflow " + tf.__version__,
        "modes": {"export": {}, "save": {}, "archive": {}},
        "about": {"export": ABOUT, "save": ABOUT, "archive": [*ABOUT, "NORM-1", "UPDATE-1", "UPDATE-2", "COMPILE-1"]},
        "dialect": {
            # https://github.com/keras-team/keras/blob/v3.15.1/keras/src/ops/nn.py: the example of moments divides by n
            "variance": "population",
            # https://github.com/keras-team/keras/blob/v3.15.1/keras/src/layers/normalization/batch_normalization.py
            "startup": "none",
            "frozen_training_call": "infers",
            "bare_call": "infers",
            # "causes both the compute and variable dtypes will be that dtype":
            # https://www.tensorflow.org/api_docs/python/tf/keras/DTypePolicy
            "state_dtype": "layer",
            "empty_batch": "nan",  # undocumented, as observed
        },
    }


def make_layer(entry):
    name, kind = entry["name"], entry["kind"]
    if kind == "batch_norm":
        if entry["training"] is not None:
            raise Unsupported("a Sequential model has no place for a baked training flag")
        if not entry["track"]:
            raise Unsupported("Keras has no layer without moving statistics")
        settings = ("momentum", "epsilon", "center", "scale", "trainable", "dtype")
        return keras.layers.BatchNormalization(name=name, **{setting: entry[setting] for setting in settings})
    if kind == "dense":
        return keras.layers.Dense(entry["units"], use_bias=entry["use_bias"], kernel_initializer="zeros", name=name)
    if kind == "activation":
        return keras.layers.Activation(entry["function"], name=name)
    raise Unsupported(f"no layer of the kind {kind} here")


def export(model, path):
    model.export(path, verbose=False)


def archive(model, path):
    written, batches = keras.export.ExportArchive(), model.inputs[0]
    kind = [keras.InputSpec(shape=batches.shape, dtype=batches.dtype)]
    written.track(model)
    written.add_endpoint("infer", lambda x: model(x, training=False), input_signature=kind)  # the first is served
    written.add_endpoint("train", lambda x: model(x, training=True), input_signature=kind)
    written.add_endpoint("call", model.__call__, input_signature=kind)
    written.write_out(path, verbose=False)


WRITERS = {"export": export, "save": tf.saved_model.save, "archive": archive}


def serve(loaded, x):
    return loaded.signatures["serving_default"](x)["output_0"].numpy()


class Network:
    """A Sequential model, and what was loaded of the SavedModel that was made of it."""

    def __init__(self, network, mode, workdir):
        layers = [make_layer(entry) for entry in network]
        shape, self.dtype = network[0].get("shape") or [network[0]["inputs"]], network[0].get("dtype", "float32")
        self.model, self.loaded = keras.Sequential([keras.Input(shape, dtype=self.dtype), *layers]), None
        self.writer, self.workdir, self.archived = mode, workdir, False
        self.variables = {self.quantity(layer.name, v.name): v for layer in layers for v in layer.weights}
        for entry in network:
            self.set({self.quantity(entry["name"], name): value for name, value in entry["variables"].items()})
        if mode == "archive":
            self.loaded, self.archived = self.reloaded(), True
            self.variables = {self.quantity(*v.name[:-2].split("/")[-2:]): v for v in self.loaded.variables}  # a/b/c:0

    def quantity(self, layer, name):
        return f"{layer}.{name}"

    def state(self):
        return {name: v.numpy() for name, v in self.variables.items()}

    def set(self, values):
        for name, value in values.items():
            self.variables[name].assign(value)
        self.changed()

    def changed(self):
        self.loaded = self.loaded if self.archived else None

    def reloaded(self):
        path = tempfile.mkdtemp(dir=self.workdir)
        WRITERS[self.writer](self.model, path)
        return tf.saved_model.load(path)

    def call(self, x, training=None):
        x = tf.cast(x, self.dtype)
        if self.archived:
            return getattr(self.loaded, ENDPOINTS[training])(x).numpy()
        if training:
            self.changed()
            return self.model(x, training=True).numpy()
        self.loaded = self.loaded or self.reloaded()
        return serve(self.loaded, x)

    def train(self, x):
        return self.call(x, training=True)

    def predict(self, x, exported=None):
        return (
            serve(tf.saved_model.load(exported), tf.cast(x, self.dtype)) if exported else self.call(x, training=False)
        )

    def export(self, path):
        if self.archived:
            tf.saved_model.save(self.loaded, path, signatures=dict(self.loaded.signatures))
        else:
            WRITERS[self.writer](self.model, path)


class Layer(Network):
    def __init__(self, layer, mode, workdir):
        super().__init__([dict(layer, kind="batch_norm", name="layer")], mode, workdir)

    def quantity(self, layer, name):
        return name
