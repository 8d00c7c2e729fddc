"""Drives torch.nn.functional.batch_norm, with statistics and parameters that the program itself holds."""

import torch
from torch.nn.functional import batch_norm

DEVICE = None  # CPU
STARTS = {"moving_mean": torch.zeros, "moving_variance": torch.ones, "gamma": torch.ones, "beta": torch.zeros}


class Unsupported(Exception):
    """A function has no such thing."""


def describe():
    return {
        "framework": "torch",
        "version": torch.__version__,
        "modes": {"function": {}},
        "dialect": {
            # https://docs.pytorch.org/docs/stable/generated/torch.nn.modules.batchnorm.BatchNorm1d.html
            "variance": "sample",
            # requires_grad is about parameters: https://github.com/pytorch/pytorch/blob/main/docs/source/notes/autograd.md
            "frozen_training_call": "trains",
            "bare_call": "infers",  # as observed: `training` is False unless given
            # undocumented, as observed, and on purpose: https://github.com/pytorch/pytorch/pull/2961
            "one_value_per_channel": "refuses",
            "epsilon_zero": "refuses",  # undocumented, as observed in 2.13
            "state_dtype": "layer",  # the program's own choice
            "arithmetic": "layer",  # undocumented, as observed in bfloat16
            "missing_statistics": "refused",  # as restore() below does
        },
    }


def use(device):
    global DEVICE
    DEVICE = device


class Layer:
    def __init__(self, layer, mode, workdir):
        if layer["training"] is not None:
            raise Unsupported("nothing is built that a flag could be baked into")
        self.dtype = getattr(torch, layer["dtype"])
        self.momentum = round(1 - layer["momentum"], 15)  # of the new statistic
        self.epsilon = layer["epsilon"]
        present = {"gamma": layer["scale"], "beta": layer["center"]}
        self.variables = {
            name: start(layer["features"], dtype=self.dtype, device=DEVICE)
            for name, start in STARTS.items()
            if present.get(name, layer["track"])
        }
        self.set(layer["variables"])
        self.set_trainable(layer["trainable"])

    def tensor(self, x):
        """(N, ..., C) -> (N, C, ...)."""
        return torch.from_numpy(x).to(DEVICE, self.dtype).movedim(-1, 1).contiguous()

    def state(self):
        return {name: array(variable) for name, variable in self.variables.items()}

    def set(self, values):
        for name, value in values.items():
            self.variables[name].detach().copy_(torch.from_numpy(value))

    def forward(self, x, training):
        names = ("moving_mean", "moving_variance", "gamma", "beta")
        mean, variance, gamma, beta = (self.variables.get(name) for name in names)
        flag = {} if training is None else {"training": training or mean is None}
        return batch_norm(x, mean, variance, gamma, beta, momentum=self.momentum, eps=self.epsilon, **flag)

    def train(self, x):
        return self.call(x, True)

    def predict(self, x):
        with torch.no_grad():
            return self.call(x, False)

    def call(self, x, training=None):
        return array(self.forward(self.tensor(x), training).movedim(1, -1))

    def backward(self, x, upstream, training=None):
        inputs = self.tensor(x).requires_grad_()
        output = self.forward(inputs, training)
        learning = {name: variable for name, variable in self.variables.items() if variable.requires_grad}
        gradients = torch.autograd.grad(output, [inputs, *learning.values()], self.tensor(upstream))
        found = dict(zip((f"{name}_gradient" for name in learning), map(array, gradients[1:])))
        return {"output": array(output.movedim(1, -1)), "input_gradient": array(gradients[0].movedim(1, -1)), **found}

    def freeze(self, of, recompile):
        self.set_trainable(False)

    def unfreeze(self, of, recompile):
        self.set_trainable(True)

    def set_trainable(self, trainable):
        for name in {"gamma", "beta"} & self.variables.keys():
            self.variables[name].requires_grad_(trainable)

    def save(self, path):
        torch.save(self.variables, path + ".pt")

    def restore(self, path, omit=()):
        saved = torch.load(path + ".pt", weights_only=True)
        read = {name: saved[name] for name in self.variables if name not in omit}
        if len(read) < len(self.variables) or any(read[name].shape != v.shape for name, v in self.variables.items()):
            raise ValueError("the checkpoint does not fit")
        for name, variable in self.variables.items():
            variable.detach().copy_(read[name])


def array(y):
    y = y.detach().cpu()
    return ("bfloat16", y.float().numpy()) if y.dtype is torch.bfloat16 else y.numpy()
