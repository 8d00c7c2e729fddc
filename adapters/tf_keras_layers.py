"""Drives the BatchNormalization of Keras 2 eagerly: tf_keras where it is installed, else tf.keras of TensorFlow 2.0 to 2.15.

layer:       the bare layer, called eagerly; it has no fit, and its checkpoint is a tf.train.Checkpoint
graph:       the same inside a tf.function, which is made anew when a trainable flag is changed
fused:       the same with fused=True, which wants rank 4 or 5: axes of size 1 are put before the channels
unfused:     the same with fused=False; without either, the layer itself fuses at rank 4 and 5
functional:  keras.Model(inputs, outputs) with fit, predict and save_weights; a flag is baked into layer(inputs)
sequential:  keras.Sequential([inputs, layer]), else like functional
subclass:    a subclass of keras.Model, else like functional
nested:      a functional model as the only layer of another one
h5:          functional, with save_weights in HDF5
savedmodel:  functional, with save and load_model of the whole model as a SavedModel
archive:     functional, with save and load_model of the whole model as a .keras file
v1_class:    functional, with the class of TensorFlow 1, which tf.keras has in tf.compat.v1
"""

import importlib
import inspect
import re
import shutil

import h5py
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

try:
    import tf_keras as keras
except ImportError:
    keras = tf.keras

# of tf.keras in TensorFlow 2.15 only the package that it comes from has one
VERSION = getattr(keras, "__version__", None) or importlib.import_module("keras").__version__
V1 = tf.compat.v1.keras.layers.BatchNormalization if keras is tf.keras else None
OPTIMIZERS = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam}
BARE = ("layer", "graph", "fused", "unfused")
WHOLE = {"savedmodel": "", "archive": ".keras"}  # {mode: suffix of a file or folder that holds the whole model}
HAS_ARCHIVE = [int(number) for number in VERSION.split(".")[:2]] >= [2, 12]
OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"  # where a TensorFlow checkpoint says which object has which tensors
READS = ("$KERAS_HOME/keras.json", "$HOME/.keras/keras.json")


class Unsupported(Exception):
    """Keras 2 has no such thing."""


def describe():
    # the configuration is saved too: https://tensorflow.org/tutorials/keras/save_and_load
    whole = {"missing_statistics": "refused", "settings_restored": "checkpoint"}
    return {
        "framework": "tf_keras" if keras.__name__.startswith("tf_keras") else "tf.keras",
        "version": VERSION,
        "backend": "tensorflow " + tf.__version__,
        "modes": {
            "layer": {},
            "functional": {},
            "sequential": {},
            "subclass": {},
            "nested": {},
            "graph": {},
            # undocumented, as observed: https://github.com/tensorflow/tensorflow/issues/55545
            "fused": {"variance": "sample", "single_value_variance": "population"},
            "unfused": {},
            # undocumented, as observed: the weights of a layer have to be as many as it has
            "h5": {"missing_statistics": "refused"},
            "savedmodel": whole,
            "archive": whole,
            # it says of 1.* that a frozen layer does not switch to inference, but that its updates are not run
            # https://github.com/tensorflow/tensorflow/blob/r2.0/tensorflow/python/keras/layers/normalization_v2.py
            **({"v1_class": {"frozen_training_call": "batch_statistics"}} if V1 else {}),
        },
        "about": {
            "sequential": ["call", "freeze", "unfreeze"],
            "subclass": ["call", "freeze", "unfreeze"],
            "nested": ["freeze", "unfreeze", "RESTORE-1"],
            "unfused": ["AXES-1", "AXES-2", "AXES-3", "NUM-3"],
            "h5": ["restore"],
            "savedmodel": ["restore", "export"],
            "archive": ["restore"],
            **({"v1_class": ["freeze", "unfreeze", "FREEZE-6"]} if V1 else {}),
        },
        "dialect": {
            # the one var(batch) that also normalises: https://keras.io/2/api/layers/normalization_layers/batch_normalization
            "variance": "population",
            # undocumented, as observed
            "variance_algorithm": "two_pass",
            "one_value_per_channel": "computes",
            "empty_batch": "nan",
            "masked_batch": "zeros",
            # "Raise parameters of fp16 batch norm to fp32", and leave those of float64 what they are:
            # https://github.com/keras-team/tf-keras/blob/6add81a/tf_keras/layers/normalization/batch_normalization.py
            "state_dtype": "wider",
            # https://keras.io/2/api/layers/normalization_layers/batch_normalization
            # and for older versions https://github.com/tensorflow/tensorflow/blob/10f7d23b9c8cfa4362df05028317d8bae59f9d3a/
            # tensorflow/python/keras/layers/normalization_v2.py
            "startup": "none",
            "frozen_training_call": "infers",
            "freeze_takes_effect": "at_compile",
            "bare_call": "infers",
            # https://github.com/keras-team/keras/blob/09c133c565/guides/transfer_learning.py
            "baked_training": "kept",
            # what load_weights reads is read as by restore, whose assertions are "optional sanity checks":
            # https://tensorflow.org/versions/r2.13/api_docs/python/tf/train/Checkpoint
            "missing_statistics": "kept",
            # https://tensorflow.org/versions/r2.7/api_docs/python/tf/keras/optimizers/Adam
            "adam_epsilon": "uncorrected",
        },
    }


def read(checkpoint, path):
    """What write() has written; before 2.2 it was restore() that read it."""
    return (checkpoint.read if hasattr(checkpoint, "read") else checkpoint.restore)(path)


def use(device):
    tf.device(device).__enter__()  # for good: nothing else in TensorFlow sets a device


def given(**arguments):
    return {name: value for name, value in arguments.items() if value is not None}


def batch_norm(entry, mode):
    if not entry.get("track", True):
        raise Unsupported("a layer without moving statistics is not there")
    settings = ("momentum", "epsilon", "center", "scale", "trainable", "dtype")
    fused = {"fused": True, "unfused": False}.get(mode)
    return (V1 if mode == "v1_class" else keras.layers.BatchNormalization)(
        name=entry["name"], **given(fused=fused, **{setting: entry[setting] for setting in settings})
    )


def make_layer(entry, mode, made):
    name, kind = entry["name"], entry["kind"]
    if kind == "again":
        return made[name]
    if kind == "model":
        return make_model(entry["layers"], "functional" if mode in WHOLE or mode == "nested" else mode, made, name)
    if kind == "batch_norm":
        return batch_norm(entry, mode)
    if kind == "dense":
        return keras.layers.Dense(entry["units"], use_bias=entry["use_bias"], kernel_initializer="zeros", name=name)
    return keras.layers.Activation(entry["function"], name=name)


def sample_shape(entries):
    """The shape of one sample: the first entry that knows it says it."""
    for entry in entries:
        if entry["kind"] == "model":
            return sample_shape(entry["layers"])
        if entry["kind"] in ("batch_norm", "dense"):
            return entry.get("shape") or [entry["inputs"] if entry["kind"] == "dense" else entry["features"]]
    raise Unsupported("nothing here says how many channels there are")


def make_model(entries, mode, made, name=None):
    """A model of layers one after the other; `made` is filled with all of them by name."""
    layers = []
    for entry in entries:
        layers.append(make_layer(entry, mode, made))
        made[entry["name"]] = layers[-1]
    flags = [given(training=entry.get("training")) for entry in entries]
    if any(flags) and mode in ("sequential", *BARE):
        raise Unsupported(
            "mode " + mode + " has no place for a baked training flag: that is in layer(inputs, training=…)"
        )
    shape, dtype = sample_shape(entries), entries[0].get("dtype")
    if mode in BARE:
        layers[0].build((None, *([1] * (3 - len(shape)) if mode == "fused" else []), *shape))
        return layers[0]
    if mode == "sequential":
        return keras.Sequential([keras.layers.InputLayer(input_shape=tuple(shape), dtype=dtype), *layers], name=name)
    if mode == "subclass":
        model = Stack(layers, flags, name=name, dtype=dtype)
        model.build((None, *shape))
        return model
    inputs = outputs = keras.Input(tuple(shape), dtype=dtype)
    for layer, flag in zip(layers, flags):
        outputs = layer(outputs, **flag)
    return keras.Model(inputs, outputs, name=name)


class Stack(keras.Model):
    """Layers one after the other, as a subclass of Model; a baked flag is the one that call gives to its layer."""

    def __init__(self, layers, flags, **settings):
        super().__init__(**settings)
        self.stack, self.flags = layers, flags

    def call(self, x, training=None, mask=None):
        for layer, flag in zip(self.stack, self.flags):
            if isinstance(layer, (keras.layers.BatchNormalization, keras.Model)):
                x = (
                    layer(x, **dict({"training": training}, **given(mask=mask)), **flag)
                    if not flag
                    else layer(x, **flag)
                )
            else:
                x = layer(x)
        return x


class Network:
    """Named layers in a model."""

    def __init__(self, network, mode, workdir):
        if mode in BARE:
            raise Unsupported("a bare layer is no network")
        self.build(network, mode)

    def build(self, entries, mode):
        if mode == "archive" and not HAS_ARCHIVE:
            raise Unsupported("there are no .keras files before Keras 2.12")
        self.driven, self.bare, self.compiled, self.layers = mode, mode in BARE, {}, {}
        self.model = make_model(entries, mode, self.layers)
        if mode == "nested":
            inputs = keras.Input(self.model.input_shape[1:], dtype=self.model.inputs[0].dtype)
            self.model = keras.Model(inputs, self.model(inputs))
        self.trace()
        self.set(self.given_variables(entries))

    def trace(self):
        """What Python objects said is read once: https://tensorflow.org/versions/r2.1/api_docs/python/tf/function"""
        self.forward = tf.function(self.model.__call__) if self.driven == "graph" else self.model
        self.gradients = tf.function(gradients) if self.driven == "graph" else gradients

    def given_variables(self, entries):
        values = {}
        for entry in entries:
            values.update({self.quantity(entry["name"], name): value for name, value in entry["variables"].items()})
            values.update(self.given_variables(entry.get("layers", [])))
        return values

    def quantity(self, layer, name):
        return layer + "." + name

    def variables(self):
        return {
            self.quantity(name, v.name.split("/")[-1].split(":")[0]): v
            for name, layer in self.layers.items()
            if not isinstance(layer, keras.Model)
            for v in layer.weights
        }

    def state(self):
        return {name: v.numpy() for name, v in self.variables().items()}

    def set(self, values):
        variables = self.variables()
        for name, value in values.items():
            variables[name].assign(value)

    def part(self, name):
        parts = dict(self.layers, **({} if self.bare else {"model": self.model}))
        if name not in parts:
            raise Unsupported("there is no " + name + " here, only " + ", ".join(parts))
        return parts[name]

    def call(self, x, training=None, mask=None, through=None):
        model = self.part(through) if through else self.forward
        return self.array(model(self.tensor(x), **given(training=training, mask=boolean(mask))), x)

    def tensor(self, x):
        x = tf.convert_to_tensor(x)
        return tf.reshape(x, [len(x)] + [1] * (4 - len(x.shape)) + list(x.shape[1:])) if self.driven == "fused" else x

    def array(self, output, x):
        return output.numpy().reshape(x.shape) if self.driven == "fused" else output.numpy()

    def train(self, x, mask=None, through=None):
        return self.call(x, True, mask, through)

    def predict(self, x, mask=None, through=None, exported=None):
        if exported:
            loaded = tf.saved_model.load(exported)  # its variables live as long as it does
            return loaded.signatures["serving_default"](tf.constant(x)).popitem()[1].numpy()
        if self.bare:
            return self.call(x, False, mask)
        if mask is not None:
            raise Unsupported("the predict of a model takes no mask")
        x = tf.constant(x)  # an array would be cast to keras.backend.floatx()
        return self.part(through or "model").predict(x, verbose=0)

    def fit(
        self, x, targets, loss, optimizer, epochs, batch_size, validation=None, validation_targets=None, through="model"
    ):
        if self.bare:
            raise Unsupported("a bare layer has no fit")
        if self.compiled.get(through) != (loss, optimizer):
            self.compile(through, loss, optimizer)
        settings = {"batch_size": batch_size, "epochs": epochs, "shuffle": False, "verbose": 0}
        if validation is not None:
            settings["validation_data"] = validation, validation_targets
        self.part(through).fit(x, targets, **settings)

    def evaluate(self, x, targets, loss, through="model"):
        if self.bare:
            raise Unsupported("a bare layer has no evaluate")
        if through not in self.compiled:
            self.compile(through, loss, {"name": "sgd", "learning_rate": 0.0})
        return np.array(self.part(through).evaluate(x, targets, batch_size=len(x), verbose=0), "float32")

    def compile(self, name, loss, optimizer):
        settings = {setting: value for setting, value in optimizer.items() if setting != "name"}
        self.part(name).compile(optimizer=OPTIMIZERS[optimizer["name"]](**settings), loss=loss)
        self.compiled[name] = loss, optimizer

    def freeze(self, of, recompile):
        self.set_trainable(of, False, recompile)

    def unfreeze(self, of, recompile):
        self.set_trainable(of, True, recompile)

    def set_trainable(self, of, trainable, recompile):
        self.part(of).trainable = trainable
        self.trace()
        for name, settings in self.compiled.items() if recompile else ():
            self.compile(name, *settings)

    def save(self, path):
        if self.bare:
            tf.train.Checkpoint(layer=self.model).write(path)
        elif self.driven in WHOLE:
            self.model.save(path + WHOLE[self.driven])
        else:
            self.model.save_weights(self.weights_file(path))

    def weights_file(self, path):
        return path + ".h5" if self.driven == "h5" else path

    def restore(self, path, omit=()):
        if self.driven in WHOLE:
            if omit:
                raise Unsupported("this adapter takes nothing out of a saved model")
            self.load_model(path + WHOLE[self.driven])
        elif self.driven == "h5":
            self.model.load_weights(self.without(omit, path + ".h5") if omit else path + ".h5")
        else:
            path = self.without_tensors(omit, path) if omit else path
            if self.bare:
                read(tf.train.Checkpoint(layer=self.model), path)
            else:
                self.model.load_weights(path)

    def load_model(self, path):
        self.model, self.compiled = keras.models.load_model(path), {}
        self.trace()
        found = {layer.name: layer for layer in self.model.submodules}
        self.layers = {name: found[name] for name in self.layers}

    def without_tensors(self, omit, path):
        """A copy of a TensorFlow checkpoint in which some variables are missing: as tensors and in the object graph."""
        names = [unnumbered(self.variables()[name].name.split(":")[0]) for name in omit]
        reader = tf.train.load_checkpoint(path)
        tensors = {key: reader.get_tensor(key) for key in reader.get_variable_to_shape_map()}
        graph = TrackableObjectGraph.FromString(tensors[OBJECT_GRAPH])
        for node in graph.nodes:
            for attribute in [a for a in node.attributes if unnumbered(a.full_name) in names]:
                del tensors[attribute.checkpoint_key]
                node.attributes.remove(attribute)
        tensors[OBJECT_GRAPH] = np.array(graph.SerializeToString(), object)
        path += "-lacking"
        tf.raw_ops.SaveV2(
            prefix=path,
            tensor_names=list(tensors),
            shape_and_slices=[""] * len(tensors),
            tensors=[tf.constant(value) for value in tensors.values()],
        )
        return path

    def without(self, omit, path):
        """A copy of an HDF5 file in which some variables are missing: as datasets and in the list of their names."""
        lacking = path.replace(".h5", "-lacking.h5")
        shutil.copyfile(path, lacking)
        names = [self.variables()[name].name for name in omit]
        with h5py.File(lacking, "a") as file:
            for group in file.values():
                kept = [name for name in group.attrs.get("weight_names", []) if as_text(name) not in names]
                group.attrs["weight_names"] = kept
        return lacking

    def export(self, path):
        if self.bare:
            raise Unsupported("a bare layer is not exported here")
        tf.saved_model.save(self.model, path)


class Layer(Network):
    """One batch normalisation, bare or in a model."""

    def __init__(self, layer, mode, workdir):
        self.build([dict(layer, kind="batch_norm", name="layer")], mode)

    def quantity(self, layer, name):
        return name

    def backward(self, x, upstream, training):
        trained = self.model.trainable_variables
        output, (by_x, by_trained) = self.gradients(
            self.model, self.tensor(x), trained, self.tensor(upstream), **given(training=training)
        )
        named = {v.name.split("/")[-1].split(":")[0] + "_gradient": by.numpy() for v, by in zip(trained, by_trained)}
        return dict(named, output=self.array(output, x), input_gradient=self.array(by_x, x))


def gradients(model, x, trained, upstream, **flag):
    with tf.GradientTape() as tape:
        tape.watch(x)
        output = model(x, **flag)
    return output, tape.gradient(output, [x, trained], upstream)


def boolean(mask):
    if mask is not None and "mask" not in inspect.signature(keras.layers.BatchNormalization.call).parameters:
        raise Unsupported("the layer of this version takes no mask")
    return None if mask is None else mask.astype(bool)


def unnumbered(name):
    """TensorFlow 2.0 and 2.1 number the layers of one name, so that those of a fresh model have other names."""
    return re.sub(r"_\d+/", "/", name)


def as_text(name):
    return name.decode() if isinstance(name, bytes) else name
