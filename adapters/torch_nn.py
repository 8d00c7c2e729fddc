"""Drives torch.nn.BatchNorm1d, 2d or 3d, by rank, eagerly; train() and eval() switch its mode, a plain loop fits it."""

from decimal import Decimal

import torch
from torch import nn
from torch.nn.functional import mse_loss

BATCH_NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm1d, 3: nn.BatchNorm2d, 4: nn.BatchNorm3d}  # by the rank of a sample
ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}
KEYS = {  # {quantity: its key in the module's state_dict}
    "batch_norm": {"moving_mean": "running_mean", "moving_variance": "running_var", "gamma": "weight", "beta": "bias"},
    "dense": {"kernel": "weight", "bias": "bias"},
    "activation": {},
}


class Unsupported(Exception):
    """PyTorch has no such thing."""


def describe():
    notes = "https://docs.pytorch.org/docs/stable/notes/"  # noqa: F841
    return {
        "framework": "torch",
        "version": torch.__version__,
        "modes": {"module": {}},
        "dialect": {},
    }


def use(device):
    torch.set_default_device(device)


def tensor(x):
    """(N, ..., C) -> (N, C, ...)."""
    x = torch.as_tensor(x)
    return x if x.ndim == 2 else x.movedim(-1, 1).contiguous()


def array(y):
    """(N, C, ...) -> (N, ..., C)."""
    return (y if y.ndim == 2 else y.movedim(1, -1)).numpy(force=True)


def batch_norm(layer):
    if layer["training"] is not None:
        raise Unsupported("a module's mode is switched by train() and eval(), none is baked in")
    if layer["center"] and not layer["scale"]:
        raise Unsupported("bias=False leaves beta out, but gamma only goes together with beta, by affine=False")
    if len(layer["shape"]) not in BATCH_NORMS:
        raise Unsupported("there is no batch normalisation beyond three axes and the channels")
    module = BATCH_NORMS[len(layer["shape"])](
        layer["features"],
        eps=layer["epsilon"],
        momentum=float(1 - Decimal(repr(layer["momentum"]))),  # the fraction of the new statistic; 0.01, not 1 - 0.99
        affine=layer["scale"],
        dtype=getattr(torch, layer["dtype"]),
        **({} if layer["center"] == layer["scale"] else {"bias": False}),  # older versions have no `bias`
    )
    return module if layer["trainable"] else module.requires_grad_(False)


def dense(entry):
    module = nn.Linear(entry["inputs"], entry["units"], bias=entry["use_bias"])
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


def activation(entry):
    return ACTIVATIONS[entry["function"]]()


def make_optimizer(parameters, name, learning_rate, beta_1=None, beta_2=None, epsilon=None):
    if name == "sgd":
        return torch.optim.SGD(parameters, lr=learning_rate)
    if name == "adam":
        return torch.optim.Adam(parameters, lr=learning_rate, betas=(beta_1, beta_2), eps=epsilon)
    raise Unsupported(f"the adapter has no optimizer {name}")


class Model:
    """What a layer and a network have in common: `module`, `parts` that can be frozen, `keys` of the quantities."""

    def state(self):
        tensors = self.module.state_dict()
        # .T leaves vectors alone and makes a dense kernel (in, out)
        return {name: tensors[key].numpy(force=True).T for name, key in self.keys.items() if key in tensors}

    def set(self, values):
        tensors = self.module.state_dict()  # of references
        for name, value in values.items():
            tensors[self.keys[name]].copy_(torch.as_tensor(value.T))

    def train(self, x):
        self.module.train()
        return array(self.module(tensor(x)))

    def predict(self, x):
        self.module.eval()
        with torch.no_grad():
            return array(self.module(tensor(x)))

    def call(self, x, training=None):
        return array(self.forward(tensor(x), training))

    def forward(self, x, training):
        if training is not None:
            self.module.train(training)
        return self.module(x)

    def fit(self, x, targets, loss, optimizer, epochs, batch_size):
        if loss != "mse":
            raise Unsupported(f"the adapter has no loss {loss}")
        optimizer = make_optimizer(self.module.parameters(), **optimizer)
        self.module.train()
        for _ in range(epochs):
            for inputs, wanted in zip(tensor(x).split(batch_size), tensor(targets).split(batch_size)):
                optimizer.zero_grad()
                mse_loss(self.module(inputs), wanted).backward()
                optimizer.step()

    def freeze(self, of, recompile):  # nothing is compiled, so there is nothing to compile again
        self.parts[of].requires_grad_(False)

    def unfreeze(self, of, recompile):
        self.parts[of].requires_grad_(True)

    def save(self, path):
        torch.save(self.module.state_dict(), path + ".pt")

    def restore(self, path, omit=()):
        saved = torch.load(path + ".pt", weights_only=True)
        for name in omit:
            del saved[self.keys[name]]
        self.module.load_state_dict(saved)


class Layer(Model):
    def __init__(self, layer, mode, workdir):
        self.module = batch_norm(layer)
        self.parts = {"layer": self.module, "model": self.module}
        self.keys = KEYS["batch_norm"]
        if layer["variables"]:
            self.set(layer["variables"])

    def backward(self, x, upstream, training=None):
        inputs = tensor(x).requires_grad_()
        output = self.forward(inputs, training)
        self.module.zero_grad()
        output.backward(tensor(upstream))
        gradients = {"output": array(output), "input_gradient": array(inputs.grad)}
        for name, parameter in (("gamma", self.module.weight), ("beta", self.module.bias)):
            if parameter is not None and parameter.grad is not None:
                gradients[f"{name}_gradient"] = parameter.grad.numpy(force=True)
        return gradients


class Network(Model):
    def __init__(self, network, mode, workdir):
        make = {"batch_norm": batch_norm, "dense": dense, "activation": activation}
        self.module, self.keys = nn.Sequential(), {}
        for entry in network:
            name, kind = entry["name"], entry["kind"]
            self.module.add_module(name, make[kind](entry))
            self.keys.update((f"{name}.{ours}", f"{name}.{theirs}") for ours, theirs in KEYS[kind].items())
            self.set({f"{name}.{ours}": value for ours, value in entry["variables"].items()})
        self.parts = dict(self.module.named_children(), model=self.module)
