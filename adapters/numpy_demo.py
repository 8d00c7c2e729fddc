"""No framework: twenty lines of NumPy, to see the whole line on a bare machine and to have a worked example."""

import os

import numpy as np


class Unsupported(Exception):
    """This implementation has no such thing."""


def describe():
    return {
        "framework": "numpy",
        "version": np.__version__,
        "modes": {"eager": {}},
        "dialect": {"missing_statistics": "kept"},  # as restore() below does; all else at the standard's value
    }


class Layer:
    """Batch normalisation over all axes but the last."""

    def __init__(self, layer, mode, workdir):
        if layer["dtype"] != "float32" or not layer["track"]:
            raise Unsupported("it is float32, and always keeps moving statistics")
        self.momentum, self.epsilon, self.baked = layer["momentum"], layer["epsilon"], layer["training"]
        self.trainable = layer["trainable"]
        starts = {"moving_mean": 0, "moving_variance": 1}
        starts.update({"gamma": 1} if layer["scale"] else {}, **({"beta": 0} if layer["center"] else {}))
        self.variables = {name: np.full(layer["features"], start, np.float32) for name, start in starts.items()}
        self.set(layer["variables"])

    def train(self, x, mask=None):
        return self.call(x, training=True, mask=mask)

    def predict(self, x, mask=None):
        return self.call(x, training=False, mask=mask)

    def call(self, x, training=None, mask=None):
        training = training if self.baked is None else self.baked
        weights = np.ones(x.shape[:-1], x.dtype) if mask is None else mask.astype(x.dtype)
        if not (training and self.trainable and weights.any()):
            return self.normalise(x, self.variables["moving_mean"], self.variables["moving_variance"])
        weights = weights[..., None] / weights.sum()
        axes = tuple(range(x.ndim - 1))
        mean = (weights * x).sum(axes)
        variance = (weights * (x - mean) ** 2).sum(axes)
        self.move("moving_mean", mean)
        self.move("moving_variance", variance)
        return self.normalise(x, mean, variance)

    def move(self, name, new):
        self.variables[name] = self.momentum * self.variables[name] + (1 - self.momentum) * new

    def normalise(self, x, mean, variance):
        y = (x - mean) / np.sqrt(variance + np.float32(self.epsilon))
        return y * self.variables.get("gamma", np.float32(1)) + self.variables.get("beta", np.float32(0))

    def freeze(self, of, recompile):
        self.trainable = False

    def unfreeze(self, of, recompile):
        self.trainable = True

    def save(self, path):
        np.savez(path + ".npz", **self.variables)

    def restore(self, path, omit=()):
        if not os.path.exists(path + ".npz"):
            raise FileNotFoundError(path + ".npz")
        with np.load(path + ".npz") as saved:
            self.set({name: saved[name] for name in saved.files if name not in omit})

    def set(self, values):
        if any(value.shape != self.variables[name].shape for name, value in values.items()):
            raise ValueError("another shape")
        for name, value in values.items():
            self.variables[name] = value.astype(np.float32)

    def state(self):
        return self.variables
