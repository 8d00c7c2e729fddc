"""The bare loop of a case's layer calls, without the suite: build, then train, train, predict, train, predict.

Usage: python floor.py torch_nn|keras_layers|flax_linen|numpy_demo COUNT      (in the framework's own interpreter)
       python floor.py ADAPTER.py COUNT        the same calls through an adapter, with the state after each, no host
Prints the seconds of CPU that COUNT repetitions take after a warm-up of COUNT/10.
"""

import importlib.util
import sys
import time

import numpy as np

PASSES = (True, True, False, True, False)
X = np.random.RandomState(0).standard_normal((8, 4)).astype(np.float32)


def torch_nn():
    import torch

    x = torch.from_numpy(X)

    def once():
        layer = torch.nn.BatchNorm1d(4)
        for training in PASSES:
            layer.train(training)
            if training:
                layer(x)
            else:
                with torch.no_grad():
                    layer(x)

    return once


def keras_layers():
    import keras

    def once():
        layer = keras.layers.BatchNormalization()
        for training in PASSES:
            layer(X, training=training)

    return once


def flax_linen():
    import flax.linen as nn
    import jax

    def once():
        layer = nn.BatchNorm()
        variables = layer.init(jax.random.key(0), X, use_running_average=True)
        for training in PASSES:
            if training:
                _, moved = layer.apply(variables, X, use_running_average=False, mutable=["batch_stats"])
                variables = {**variables, **moved}
            else:
                layer.apply(variables, X, use_running_average=True)

    return once


def numpy_demo():
    def once():
        mean, variance = np.zeros(4, np.float32), np.ones(4, np.float32)
        for training in PASSES:
            m, v = (X.mean(0), X.var(0)) if training else (mean, variance)
            (X - m) / np.sqrt(v + 0.001)
            if training:
                mean, variance = 0.9 * mean + 0.1 * m, 0.9 * variance + 0.1 * v

    return once


def adapted(path):
    spec = importlib.util.spec_from_file_location("adapter", path)
    adapter = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(adapter)
    mode = next(iter(adapter.describe()["modes"]))
    settings = {"features": 4, "momentum": 0.9, "epsilon": 0.001, "trainable": True, "training": None, "center": True}
    settings |= {"scale": True, "track": True, "dtype": "float32", "shape": [4], "variables": {}}

    def once():
        layer = adapter.Layer(settings, mode, "")
        for verb in (layer.train, layer.train, layer.predict, layer.train, layer.predict):
            verb(X)
            layer.state()

    return once


if __name__ == "__main__":
    name, count = sys.argv[1], int(sys.argv[2])
    bare = {"torch_nn": torch_nn, "keras_layers": keras_layers, "flax_linen": flax_linen, "numpy_demo": numpy_demo}
    once = bare[name]() if name in bare else adapted(name)
    for _ in range(count // 10):
        once()
    started = time.process_time()
    for _ in range(count):
        once()
    print(time.process_time() - started)
