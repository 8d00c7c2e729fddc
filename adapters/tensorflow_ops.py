"""Drives TensorFlow's operations: the batch's moments, the normalisation, and the moving averages written by hand.

moments:        tf.nn.moments (tf.nn.weighted_moments with a mask) and tf.nn.batch_normalization
fused:          tf.compat.v1.nn.fused_batch_norm, which takes rank 4: all positions are laid out as one column of pixels
fused_running:  the same, with exponential_avg_factor instead of an average by hand
keras_backend:  normalize_batch_in_training, moving_average_update and batch_normalization of TensorFlow's own keras.backend
…_function:     the same inside a tf.function

TensorFlow 2 runs them eagerly, TensorFlow 1 in a graph with a session, and then without the modes …_function.
There is no layer here that could be frozen, no model and no training loop.
"""

import inspect

import numpy as np
import tensorflow as tf

VERSION = [int(part) for part in tf.__version__.split(".")[:2]]
EAGER = VERSION >= [2]
v1 = tf.compat.v1 if EAGER else tf
KERAS = getattr(tf, "keras", None) or tf.contrib.keras  # of its own, until Keras 3 came in its place
STARTS = {"moving_mean": np.zeros, "moving_variance": np.ones, "gamma": np.ones, "beta": np.zeros}


class Unsupported(Exception):
    """The operations have no such thing."""


def describe():
    # undocumented, as observed: https://github.com/tensorflow/tensorflow/issues/55545
    fused = {"variance": "sample", "single_value_variance": "population", "state_dtype": "float32"}
    # undocumented, as observed: the mean and variance of 16-bit data are rounded to 16 bits before they are used
    modes = {"moments": {"arithmetic": "layer"}, "fused": fused}
    if "exponential_avg_factor" in inspect.signature(v1.nn.fused_batch_norm).parameters:
        modes["fused_running"] = fused
    if hasattr(KERAS.backend, "normalize_batch_in_training"):
        # undocumented, as observed
        modes["keras_backend"] = {
            "arithmetic": "layer",
            "startup": "zero_debias" if [1, 8] <= VERSION < [2] else "none",
        }
    if EAGER:
        modes.update({mode + "_function": knobs for mode, knobs in modes.items()})
    return {
        "framework": "tensorflow",
        "version": tf.__version__,
        "modes": modes,
        "about": {mode: ["UPDATE-1", "UPDATE-2", "UPDATE-4", "START-1"] for mode in modes if "running" in mode},
        "dialect": {
            # "the true mean is computed and used": https://tensorflow.org/versions/r2.10/api_docs/python/tf/nn/moments
            "variance_algorithm": "two_pass",
            # undocumented, as observed
            "variance": "population",
            "one_value_per_channel": "computes",
            "empty_batch": "nan",
            "masked_batch": "zeros",
            # tf.nn.batch_normalization takes all in the type of its data; only the fused operation wants float32
            # https://tensorflow.org/api_docs/python/tf/raw_ops/FusedBatchNormV3
            "state_dtype": "layer",
            # the classic formula: https://tensorflow.org/versions/r2.1/api_docs/python/tf/train/ExponentialMovingAverage
            "startup": "none",
            # Checkpoint, whose assertions are optional: https://tensorflow.org/versions/r2.3/api_docs/python/tf/train/Checkpoint
            # Saver, in TensorFlow 1, undocumented, as observed: https://github.com/lspvic/copynet/issues/7
            "missing_statistics": "kept" if EAGER else "refused",
        },
    }


def read(checkpoint, path):
    """What write() has written; before 2.2 it was restore() that read it."""
    return (checkpoint.read if hasattr(checkpoint, "read") else checkpoint.restore)(path)


def use(device):
    tf.device(device).__enter__()  # for good: nothing else in TensorFlow sets a device


class Eagerly:
    """Variables of TensorFlow 2, and functions that are called at once or in a tf.function."""

    def __init__(self, values, function=False):
        self.variables = {name: tf.Variable(value) for name, value in values.items()}
        self.wrap = tf.function if function else lambda build: build
        self.functions = {}

    def run(self, build, arrays, training):
        function = self.functions.setdefault(build.__name__, self.wrap(build))
        results = function(*[tf.constant(array) for array in arrays], training=training)
        return {name: tensor.numpy() for name, tensor in results.items()}

    def gradients(self, forward, x, names, upstream, training):
        def gradients(x, upstream, training):
            with tf.GradientTape() as tape:
                tape.watch(x)
                results = forward(x, training=training)
            found = tape.gradient(results["output"], [x] + [self.variables[name] for name in names], upstream)
            return dict(zip(["input"] + names, found), output=results["output"])

        return self.run(gradients, [x, upstream], training)

    def values(self):
        return {name: variable.numpy() for name, variable in self.variables.items()}

    def assign(self, name, value):
        self.variables[name].assign(value)

    def save(self, path):
        tf.train.Checkpoint(**self.variables).write(path)

    def restore(self, path):
        read(tf.train.Checkpoint(**self.variables), path)

    @staticmethod
    def saved(path):
        reader = tf.train.load_checkpoint(path)
        return lambda name: reader.get_tensor(name + "/.ATTRIBUTES/VARIABLE_VALUE")


class InSession:
    """Variables of a graph of TensorFlow 1, and operations that are built once for arrays of the same shapes."""

    def __init__(self, values, function=False):
        self.graph, self.built = tf.Graph(), {}
        with self.graph.as_default():
            self.variables = {name: tf.Variable(value, name=name) for name, value in values.items()}
            self.saver = tf.train.Saver(self.variables)
            self.session = tf.Session()
            self.session.run(tf.global_variables_initializer())

    def run(self, build, arrays, training):
        inputs, results = self.once(build, arrays, training)
        return self.session.run(results, dict(zip(inputs, arrays)))

    def once(self, build, arrays, training):
        """Placeholders and results of operations; what an average is corrected by belongs to the operation."""
        key = build.__name__, training, tuple(array.ndim for array in arrays)
        if key not in self.built:
            with self.graph.as_default():
                there = set(tf.global_variables())
                inputs = [
                    tf.placeholder(array.dtype, [None] * (array.ndim - 1) + [array.shape[-1]]) for array in arrays
                ]
                self.built[key] = inputs, build(*inputs, training=training)
                self.session.run(tf.variables_initializer(list(set(tf.global_variables()) - there)))
        return self.built[key]

    def gradients(self, forward, x, names, upstream, training):
        (inputs,), results = self.once(forward, [x], training)

        def gradients(upstream, training):
            variables = [self.variables[name] for name in names]
            return dict(zip(["input"] + names, tf.gradients(results["output"], [inputs] + variables, upstream)))

        (weights,), found = self.once(gradients, [upstream], training)
        return self.session.run(dict(results, **found), {inputs: x, weights: upstream})

    def values(self):
        return self.session.run(self.variables)

    def assign(self, name, value):
        self.variables[name].load(value, self.session)

    def save(self, path):
        self.saver.save(self.session, path)

    def restore(self, path):
        self.saver.restore(self.session, path)

    @staticmethod
    def saved(path):
        return tf.train.NewCheckpointReader(path).get_tensor


World = Eagerly if EAGER else InSession


def moments(x, mask):
    axes = list(range(len(x.shape) - 1))
    if mask is None:
        return tf.nn.moments(x, axes)
    return tf.nn.weighted_moments(x, axes, tf.expand_dims(tf.cast(mask, x.dtype), -1))


class Layer:
    def __init__(self, layer, mode, workdir):
        if not layer["trainable"]:
            raise Unsupported("operations have no trainable flag")
        if layer["training"] is not None:
            raise Unsupported("operations are not built with a flag")
        if not layer.get("track", True):
            raise Unsupported("without moving statistics there is nothing but the formula")
        self.features, self.momentum, self.epsilon = layer["features"], layer["momentum"], layer["epsilon"]
        self.fused, self.running = mode.startswith("fused"), mode.startswith("fused_running")
        self.keras = mode.startswith("keras_backend")
        if self.fused and layer["dtype"] == "float64":
            raise Unsupported("the fused operation takes 16 and 32 bits")
        self.dtype = tf.as_dtype(layer["dtype"]).as_numpy_dtype
        kept = np.float32 if self.fused else self.dtype  # the fused operation takes 32 bits beside 16-bit data
        left_out = {"gamma": not layer["scale"], "beta": not layer["center"]}
        starts = {name: start(self.features).astype(kept) for name, start in STARTS.items() if not left_out.get(name)}
        self.world = World(starts, mode.endswith("_function"))
        self.variables = self.world.variables
        self.set(layer["variables"])

    def forward(self, x, mask=None, training=False):
        if self.keras:
            return self.keras_forward(x, training)
        return self.fused_forward(x, training) if self.fused else self.plain_forward(x, mask, training)

    def plain_forward(self, x, mask, training):
        statistics = self.variables["moving_mean"], self.variables["moving_variance"]
        parameters = self.variables.get("beta"), self.variables.get("gamma")
        if not training:
            return {"output": tf.nn.batch_normalization(x, *(statistics + parameters), variance_epsilon=self.epsilon)}
        mean, variance = moments(x, mask)
        output = tf.nn.batch_normalization(x, mean, variance, *parameters, variance_epsilon=self.epsilon)
        return dict(self.moved(mean, variance), output=output)

    def fused_forward(self, x, training):
        gamma = self.variables.get("gamma", tf.ones([self.features]))
        beta = self.variables.get("beta", tf.zeros([self.features]))
        settings = {"epsilon": self.epsilon, "is_training": training}
        if not training or self.running:
            settings.update(mean=self.variables["moving_mean"], variance=self.variables["moving_variance"])
        if training and self.running:
            settings["exponential_avg_factor"] = 1 - self.momentum
        pixels = tf.reshape(x, [-1, 1, 1, self.features])
        output, mean, variance = v1.nn.fused_batch_norm(pixels, gamma, beta, **settings)
        output = tf.reshape(output, tf.shape(x))
        return dict(self.moved(mean, variance), output=output) if training else {"output": output}

    def keras_forward(self, x, training):
        statistics = [self.variables[name] for name in ("moving_mean", "moving_variance")]
        beta, gamma = self.variables.get("beta"), self.variables.get("gamma")
        if not training:
            output = KERAS.backend.batch_normalization(x, *statistics, beta=beta, gamma=gamma, epsilon=self.epsilon)
            return {"output": output}
        axes = list(range(len(x.shape) - 1))
        output, *found = KERAS.backend.normalize_batch_in_training(x, gamma, beta, axes, self.epsilon)
        update = KERAS.backend.moving_average_update
        moved = [update(variable, value, self.momentum) for variable, value in zip(statistics, found)]
        return {"output": output, "moving_mean": moved[0], "moving_variance": moved[1]}

    def moved(self, mean, variance):
        """variable -= (1 - momentum) * (variable - value), unless the operation has averaged already."""
        moved = {}
        for name, value in ("moving_mean", mean), ("moving_variance", variance):
            variable = self.variables[name]
            step = (variable - value) * (1 - self.momentum)
            moved[name] = variable.assign(value) if self.running else variable.assign_sub(step)
        return moved

    def train(self, x, mask=None):
        return self.call(x, True, mask)

    def predict(self, x, mask=None):
        return self.call(x, False, mask)

    def call(self, x, training, mask=None):
        if mask is not None and (self.fused or self.keras):
            raise Unsupported("this operation takes no mask")
        arrays = [x] if mask is None else [x, mask]
        return self.world.run(self.forward, self.cast(arrays, training), training)["output"]

    def backward(self, x, upstream, training):
        names = [name for name in ("gamma", "beta") if name in self.variables]
        x, upstream = self.cast([x, upstream], training)
        results = self.world.gradients(self.forward, x, names, upstream, training)
        return dict({name + "_gradient": results[name] for name in ["input"] + names}, output=results["output"])

    def cast(self, arrays, training):
        if training is None:
            raise Unsupported("operations have no flag that could be left out")
        return [array.astype(self.dtype) for array in arrays]

    def state(self):
        return self.world.values()

    def set(self, values):
        for name, value in values.items():
            self.world.assign(name, value)

    def save(self, path):
        self.world.save(path + ".ckpt")

    def restore(self, path, omit=()):
        path += ".ckpt"
        if omit:
            saved = World.saved(path)
            path += "-lacking"
            World({name: saved(name) for name in self.variables if name not in omit}).save(path)
        self.world.restore(path)
