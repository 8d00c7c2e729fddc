"""Drives the BatchNormalization of Keras 2 in a graph: standalone keras where it is installed, else TensorFlow 1's tf.keras.

What is not predict, fit or evaluate is a K.function of the model, which is fed the learning phase and, in training, runs
model.updates. It is made anew when a trainable flag is changed. The bare call feeds no learning phase.

functional:  keras.Model(inputs, outputs); a flag is baked into layer(inputs)
sequential:  keras.Sequential([inputs, layer])
nested:      a functional model as the only layer of another one
v2_class:    functional, with the class of TensorFlow 2, which 1.15 has in tf.compat.v2
layer:       the bare layer, called on a placeholder; its flag is in the call, and its checkpoint its get_weights()
eager:       the bare layer, called eagerly, where TensorFlow 1 can do so
"""

import shutil

import h5py
import numpy as np
import tensorflow as tf

try:
    import keras
except ImportError:
    keras = getattr(tf, "keras", None) or tf.contrib.keras

if hasattr(tf, "enable_resource_variables"):
    tf.enable_resource_variables()  # with others a step may read weights that it has changed already, or may not

READS = ("$KERAS_HOME/keras.json", "$HOME/.keras/keras.json")
K = keras.backend
if hasattr(keras, "__version__"):
    NAMED = keras.__version__
else:  # from 1.5 to 1.8 it is not handed on
    from tensorflow.python.keras._impl.keras import __version__ as NAMED
VERSION = [int(part) for part in NAMED.split("-")[0].split(".")[:3]]
STANDALONE = keras.__name__ == "keras"
V2 = None if STANDALONE else getattr(getattr(tf, "compat", None), "v2", None)
EAGER = None if STANDALONE else getattr(tf, "enable_eager_execution", None)
OPTIMIZERS = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam}


class Unsupported(Exception):
    """Keras 2 has no such thing."""


def describe():
    return {
        "framework": "keras" if STANDALONE else "tf.keras",
        "version": NAMED,
        "backend": "tensorflow " + tf.__version__,
        "modes": dict(
            {"functional": {}, "sequential": {}, "nested": {}, "layer": {}},
            # https://github.com/tensorflow/tensorflow/blob/10f7d23b9c/tensorflow/python/keras/layers/normalization_v2.py
            **({"v2_class": {"frozen_training_call": "infers"}} if V2 else {}),
            **({"eager": {}} if EAGER else {}),
        ),
        "alone": ["eager"] if EAGER else [],  # what is eager once stays so
        "about": dict(
            {"nested": ["FREEZE-4", "FREEZE-5", "FREEZE-7", "MODE-9", "RESTORE-1"]},
            **({"v2_class": ["freeze", "unfreeze", "FREEZE-6"]} if V2 else {}),
        ),
        "dialect": {
            # standalone from 2.1.4 on: https://github.com/keras-team/keras/pull/9028
            # the others undocumented, as observed
            "variance": "sample" if STANDALONE and VERSION >= [2, 1, 4] else "population",
            # standalone from 2.1.3 on: https://github.com/keras-team/keras/pull/9003
            # undocumented, as observed: no more in 2.3
            "startup": "zero_debias" if STANDALONE and [2, 1, 3] <= VERSION < [2, 3] else "none",
            # undocumented, as observed
            "variance_algorithm": "two_pass",
            "one_value_per_channel": "computes",
            "empty_batch": "nan",
            "missing_statistics": "refused",
            "state_dtype": "float32" if STANDALONE else "wider",
            "baked_training": "kept",
            # undocumented, as observed: at first the learning phase had to be fed
            "bare_call": "refuses" if VERSION < [2, 1, 3] else "infers",
            # it says of 1.* that a frozen layer does not switch to inference, but that its updates are not run
            # https://github.com/tensorflow/tensorflow/blob/10f7d23b9c/tensorflow/python/keras/layers/normalization_v2.py
            # but before 2.1.3 they are: https://github.com/keras-team/keras/issues/7085
            "frozen_training_call": "trains" if VERSION < [2, 1, 3] else "batch_statistics",
            "freeze_takes_effect": "at_compile",
            # undocumented, as observed
            "adam_epsilon": "uncorrected",
        },
    }


def use(device):
    tf.device(device).__enter__()  # for good: nothing else in TensorFlow sets a device


def updates_of(model):
    """The updates of the moving statistics that depend on the inputs of this model, not of one that is nested in it."""
    return model.updates if STANDALONE or VERSION < [2, 1] else model.get_updates_for(model.inputs)


def own_name(variable):
    """What a variable is called within its layer."""
    return variable.name.split("/")[-1].split(":")[0]


def with_gradients(results, trained):
    """The output, and the gradients by the input and by what is trained, by their names."""
    names = [own_name(v) + "_gradient" for v in trained]
    return dict(zip(["output", "input_gradient"] + names, results))


def given(**arguments):
    return {name: value for name, value in arguments.items() if value is not None}


def make_layer(entry, mode, made):
    name, kind = entry["name"], entry["kind"]
    if kind == "again":
        return made[name]
    if kind == "model":
        return make_model(entry["layers"], mode, made, name)
    if kind == "batch_norm":
        if not entry.get("track", True):
            raise Unsupported("a layer without moving statistics is not there")
        settings = ("momentum", "epsilon", "center", "scale", "trainable", "dtype")
        layers = V2.keras.layers if mode == "v2_class" else keras.layers
        return layers.BatchNormalization(name=name, **{setting: entry[setting] for setting in settings})
    if kind == "dense":
        return keras.layers.Dense(entry["units"], use_bias=entry["use_bias"], kernel_initializer="zeros", name=name)
    return keras.layers.Activation(entry["function"], name=name)


def first(entries):
    """The first entry that knows the shape of a sample."""
    for entry in entries:
        if entry["kind"] == "model":
            return first(entry["layers"])
        if entry["kind"] in ("batch_norm", "dense"):
            return entry
    raise Unsupported("nothing here says how many channels there are")


def make_model(entries, mode, made, name=None):
    """A model of layers one after the other; `made` is filled with all of them by name."""
    layers = []
    for entry in entries:
        layers.append(make_layer(entry, mode, made))
        made[entry["name"]] = layers[-1]
    flags = [given(training=entry.get("training")) for entry in entries]
    start = first(entries)
    shape = tuple(start.get("shape") or [start["inputs"] if start["kind"] == "dense" else start["features"]])
    dtype = start.get("dtype", "float32")
    if mode == "sequential":
        if any(flags):
            raise Unsupported("mode sequential has no place for a baked training flag: that is in layer(inputs, …)")
        return keras.models.Sequential([keras.layers.InputLayer(input_shape=shape, dtype=dtype)] + layers, name=name)
    inputs = outputs = keras.layers.Input(shape, dtype=dtype)
    for layer, flag in zip(layers, flags):
        outputs = layer(outputs, **flag)
    return keras.models.Model(inputs, outputs, **given(name=name))


class Network:
    """Named layers in a model."""

    def __init__(self, network, mode, workdir):
        if mode in ("layer", "eager"):
            raise Unsupported("a bare layer is no network")
        self.build(network, mode)

    def build(self, entries, mode):
        K.clear_session()
        self.compiled, self.layers, self.functions = {}, {}, {}
        self.model = make_model(entries, mode, self.layers)
        if mode == "nested":
            inputs = keras.layers.Input(K.int_shape(self.model.inputs[0])[1:])
            self.model = keras.models.Model(inputs, self.model(inputs))
        self.variables = {
            self.quantity(name, own_name(v)): v
            for name, layer in self.layers.items()
            if not hasattr(layer, "layers")
            for v in layer.weights
        }
        self.set(self.given_variables(entries))

    def given_variables(self, entries):
        values = {}
        for entry in entries:
            values.update({self.quantity(entry["name"], name): value for name, value in entry["variables"].items()})
            values.update(self.given_variables(entry.get("layers", [])))
        return values

    def quantity(self, layer, name):
        return layer + "." + name

    def state(self):
        names = list(self.variables)
        return dict(zip(names, K.batch_get_value([self.variables[name] for name in names])))

    def set(self, values):
        K.batch_set_value([(self.variables[name], value) for name, value in values.items()])

    def part(self, name):
        parts = dict(self.layers, model=self.model)
        if name not in parts:
            raise Unsupported("there is no " + name + " here, only " + ", ".join(parts))
        return parts[name]

    def call(self, x, training=None, through="model"):
        model, key = self.part(through), (through, training)
        if key not in self.functions:
            phase = [] if training is None else [K.learning_phase()]
            updates = updates_of(model) if training else []
            self.functions[key] = K.function([model.inputs[0]] + phase, [model.outputs[0]], updates=updates)
        return self.functions[key]([x] if training is None else [x, int(training)])[0]

    def train(self, x, through="model"):
        return self.call(x, True, through)

    def predict(self, x, through="model"):
        return self.part(through).predict(x, verbose=0)

    def fit(
        self, x, targets, loss, optimizer, epochs, batch_size, validation=None, validation_targets=None, through="model"
    ):
        if self.compiled.get(through) != (loss, optimizer):
            self.compile(through, loss, optimizer)
        settings = {"batch_size": batch_size, "epochs": epochs, "shuffle": False, "verbose": 0}
        if validation is not None:
            settings["validation_data"] = validation, validation_targets
        self.part(through).fit(x, targets, **settings)

    def evaluate(self, x, targets, loss, through="model"):
        if through not in self.compiled:
            self.compile(through, loss, {"name": "sgd", "learning_rate": 0.0})
        return np.array(self.part(through).evaluate(x, targets, batch_size=len(x), verbose=0), "float32")

    def compile(self, name, loss, optimizer):
        rate = optimizer["learning_rate"]  # called lr in older versions, and first in all
        settings = {setting: value for setting, value in optimizer.items() if setting not in ("name", "learning_rate")}
        self.part(name).compile(optimizer=OPTIMIZERS[optimizer["name"]](rate, **settings), loss=loss)
        self.compiled[name] = loss, optimizer

    def freeze(self, of, recompile):
        self.set_trainable(of, False, recompile)

    def unfreeze(self, of, recompile):
        self.set_trainable(of, True, recompile)

    def set_trainable(self, of, trainable, recompile):
        self.part(of).trainable = trainable
        self.functions = {}
        for name, settings in self.compiled.items() if recompile else ():
            self.compile(name, *settings)

    def save(self, path):
        self.model.save_weights(path + ".h5", overwrite=True)

    def restore(self, path, omit=()):
        self.model.load_weights(self.without(omit, path + ".h5") if omit else path + ".h5")

    def without(self, omit, path):
        """A copy of an HDF5 file in which some variables are missing: as datasets and in the list of their names."""
        lacking = path.replace(".h5", "-lacking.h5")
        shutil.copyfile(path, lacking)
        names = [self.variables[name].name.encode() for name in omit]
        with h5py.File(lacking, "a") as file:
            for group in file.values():
                group.attrs["weight_names"] = [
                    name for name in group.attrs.get("weight_names", []) if name not in names
                ]
        return lacking


def Layer(layer, mode, workdir):
    if mode == "eager":
        return EagerLayer(layer)
    return BareLayer(layer) if mode == "layer" else LayerInModel(layer, mode)


class LayerInModel(Network):
    """One batch normalisation in a model, and its gradients."""

    def __init__(self, layer, mode):
        self.build([dict(layer, kind="batch_norm", name="layer")], mode)

    def quantity(self, layer, name):
        return name

    def backward(self, x, upstream, training):
        inputs, output, trained = self.model.inputs[0], self.model.outputs[0], self.model.trainable_weights
        gradients = tf.gradients(output, [inputs] + trained, tf.constant(upstream))
        updates = updates_of(self.model) if training else []
        function = K.function([inputs, K.learning_phase()], [output] + gradients, updates=updates)
        return with_gradients(function([x, int(training)]), trained)


class BareLayer:
    """One batch normalisation in no model, called on a placeholder."""

    def __init__(self, layer):
        if layer["training"] is not None:
            raise Unsupported("mode layer has no place for a baked training flag: that is in layer(inputs, …)")
        self.begin()
        self.layer, self.functions = make_layer(dict(layer, kind="batch_norm", name="layer"), "layer", {}), {}
        self.shape, self.dtype = (None,) + tuple(layer["shape"]), layer["dtype"]
        self.layer.build(self.shape)
        self.set(layer["variables"])

    def begin(self):
        K.clear_session()

    def variables(self):
        return {own_name(v): v for v in self.layer.weights}

    def state(self):
        return dict(zip(self.variables(), self.layer.get_weights()))

    def set(self, values):
        self.layer.set_weights([values.get(name, value) for name, value in self.state().items()])

    def run(self, training, compute, *arrays):
        """What compute(placeholder, …) returns, fed with arrays, and with the updates of this call of the layer."""
        key = len(arrays), training
        if key not in self.functions:
            inputs = [K.placeholder(self.shape, dtype=self.dtype) for _ in arrays]
            outputs = compute(*inputs)
            updates = self.layer.get_updates_for(inputs[0]) if training else []
            self.functions[key] = K.function(inputs, outputs, updates=updates)
        return self.functions[key](list(arrays))

    def call(self, x, training=None):
        return self.run(training, lambda x: [self.layer(x, **given(training=training))], x)[0]

    def train(self, x):
        return self.call(x, True)

    def predict(self, x):
        return self.call(x, False)

    def backward(self, x, upstream, training):
        def compute(inputs, upstream):
            output = self.layer(inputs, training=training)
            return [output] + tf.gradients(output, [inputs] + self.layer.trainable_weights, upstream)

        return with_gradients(self.run(training, compute, x, upstream), self.layer.trainable_weights)

    def freeze(self, of, recompile):
        self.set_trainable(False)

    def unfreeze(self, of, recompile):
        self.set_trainable(True)

    def set_trainable(self, trainable):
        self.layer.trainable, self.functions = trainable, {}

    def save(self, path):
        np.savez(path + ".npz", **self.state())

    def restore(self, path, omit=()):
        with np.load(path + ".npz") as saved:
            self.layer.set_weights([saved[name] for name in self.variables() if name not in omit])


class EagerLayer(BareLayer):
    """The same, called eagerly."""

    enabled = False

    def begin(self):
        if not EagerLayer.enabled:
            tf.reset_default_graph()  # which the import of Keras may have made
            EAGER()
            EagerLayer.enabled = True

    def call(self, x, training=None):
        return self.layer(tf.constant(x, self.dtype), **given(training=training)).numpy()

    def backward(self, x, upstream, training):
        inputs = tf.constant(x, self.dtype)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            output = self.layer(inputs, training=training)
            weighted = tf.reduce_sum(output * tf.constant(upstream, self.dtype))
        gradients = tape.gradient(weighted, [inputs] + self.layer.trainable_weights)
        return with_gradients([result.numpy() for result in [output] + gradients], self.layer.trainable_weights)
