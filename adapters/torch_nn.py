"""Drives torch.nn.BatchNorm1d, 2d and 3d, by rank, in eager mode: train() and eval() say what a pass is."""

from collections import OrderedDict
from decimal import Decimal

import torch
from torch import nn
from torch.nn.functional import mse_loss

DEVICE = None  # CPU, which needs no copying
BATCH_NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm1d, 3: nn.BatchNorm2d, 4: nn.BatchNorm3d}  # by the rank of a sample
ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}
KEYS = {  # {quantity: its key in state_dict()}
    "batch_norm": {"moving_mean": "running_mean", "moving_variance": "running_var", "gamma": "weight", "beta": "bias"},
    "dense": {"kernel": "weight", "bias": "bias"},
    "activation": {},
}


class Unsupported(Exception):
    """PyTorch has no such thing."""


def describe():
    return {
        "framework": "torch",
        "version": torch.__version__,
        "modes": {"module": {}},
        "dialect": {
            # https://docs.pytorch.org/docs/stable/generated/torch.nn.modules.batchnorm.BatchNorm1d.html
            "variance": "sample",
            # requires_grad_() is about parameters, and only eval() keeps the statistics as they are:
            # https://github.com/pytorch/pytorch/blob/main/docs/source/notes/autograd.md
            # https://github.com/pytorch/pytorch/issues/86590
            "frozen_training_call": "trains",
            # https://github.com/pytorch/pytorch/blob/main/docs/source/notes/modules.md
            "bare_call": "as_last_set",
            # undocumented, as observed, and on purpose: https://github.com/pytorch/pytorch/pull/2961
            "one_value_per_channel": "refuses",
            # undocumented, as observed in 2.13: "batch_norm eps must be positive during training"
            "epsilon_zero": "refuses",
            # load_state_dict is strict unless told otherwise:
            # https://docs.pytorch.org/tutorials/beginner/saving_loading_models.html
            "missing_statistics": "refused",
            # https://pytorch.org/docs/1.13/generated/torch.optim.Adam.html
            "adam_epsilon": "corrected",
        },
    }


def use(device):
    global DEVICE
    DEVICE = device


def tensor(x):
    """(N, ..., C) -> (N, C, ...), on the device."""
    x = torch.from_numpy(x)
    if x.ndim > 2:
        x = x.movedim(-1, 1).contiguous()
    return x.to(DEVICE) if DEVICE else x


def array(y):
    """(N, C, ...) -> (N, ..., C), in NumPy."""
    y = (y.movedim(1, -1) if y.ndim > 2 else y).detach()
    return (y.cpu() if DEVICE else y).numpy()


def batch_norm(layer):
    if layer["training"] is not None:
        raise Unsupported("a module's mode is switched by train() and eval(), it is not baked in")
    if layer["center"] and not layer["scale"]:
        raise Unsupported("bias=False leaves out beta alone, but only affine=False leaves out gamma, and beta with it")
    module = BATCH_NORMS[len(layer["shape"])](
        layer["features"],
        eps=layer["epsilon"],
        momentum=float(1 - Decimal(repr(layer["momentum"]))),  # of the new statistic: 0.01, which 1 - 0.99 is not
        affine=layer["scale"],
        dtype=getattr(torch, layer["dtype"]),
        **({"bias": False} if layer["scale"] and not layer["center"] else {}),  # older versions do not know `bias`
    )
    return module if layer["trainable"] else module.requires_grad_(False)


def build(entry):
    if entry["kind"] == "batch_norm":
        return batch_norm(entry)
    if entry["kind"] == "activation":
        return ACTIVATIONS[entry["function"]]()
    module = nn.Linear(entry["inputs"], entry["units"], bias=entry["use_bias"])
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


def make_optimizer(parameters, name, learning_rate, beta_1=None, beta_2=None, epsilon=None):
    if name == "sgd":
        return torch.optim.SGD(parameters, lr=learning_rate)
    if name == "adam":
        return torch.optim.Adam(parameters, lr=learning_rate, betas=(beta_1, beta_2), eps=epsilon)
    raise Unsupported(f"this adapter has no optimizer {name}")


class Model:
    """A module, the `parts` of it that can be frozen, and the `keys` of its quantities in state_dict()."""

    def __init__(self, module, parts, keys, variables):
        self.module, self.parts, self.keys = module.to(DEVICE) if DEVICE else module, parts, keys
        references = module.state_dict()  # to the tensors, which torch changes in place
        self.tensors = {name: references[key] for name, key in keys.items() if key in references}
        self.views = {name: values.numpy().T for name, values in self.tensors.items()} if not DEVICE else None
        self.optimizer = None
        self.set(variables)

    def state(self):  # a dense kernel is (out, in) in torch; .T leaves vectors as they are
        return self.views or {name: values.cpu().numpy().T for name, values in self.tensors.items()}

    def set(self, values):
        for name, value in values.items():
            self.tensors[name].copy_(torch.from_numpy(value.T))

    def forward(self, x, training):
        """One pass; `training` None leaves the mode as it was."""
        if training is not None and training != self.module.training:
            self.module.train(training)
        return self.module(x)

    def train(self, x):
        return array(self.forward(tensor(x), training=True))

    def predict(self, x):
        with torch.no_grad():
            return array(self.forward(tensor(x), training=False))

    def call(self, x, training=None):
        return array(self.forward(tensor(x), training))

    def fit(self, x, targets, loss, optimizer, epochs, batch_size):
        if loss != "mse":
            raise Unsupported(f"this adapter has no loss {loss}")
        self.optimizer = self.optimizer or make_optimizer(self.module.parameters(), **optimizer)
        for _ in range(epochs):
            for inputs, wanted in zip(tensor(x).split(batch_size), tensor(targets).split(batch_size)):
                self.optimizer.zero_grad()
                mse_loss(self.forward(inputs, training=True), wanted).backward()
                self.optimizer.step()

    def freeze(self, of, recompile):
        self.set_trainable(of, False, recompile)

    def unfreeze(self, of, recompile):
        self.set_trainable(of, True, recompile)

    def set_trainable(self, of, trainable, recompile):
        self.parts[of].requires_grad_(trainable)
        if recompile:  # nothing is compiled here: to begin anew is to make a new optimizer
            self.optimizer = None

    def save(self, path):
        torch.save(self.module.state_dict(), path + ".pt")

    def restore(self, path, omit=()):
        saved = torch.load(path + ".pt", weights_only=True)
        for name in omit:
            del saved[self.keys[name]]
        self.module.load_state_dict(saved)


class Layer(Model):
    def __init__(self, layer, mode, workdir):
        module = batch_norm(layer)
        super().__init__(module, {"layer": module, "model": module}, KEYS["batch_norm"], layer["variables"])

    def backward(self, x, upstream, training=None):
        inputs = tensor(x).requires_grad_()
        output = self.forward(inputs, training)
        self.module.zero_grad()
        output.backward(tensor(upstream))
        gradients = {"output": array(output), "input_gradient": array(inputs.grad)}
        for name, parameter in (("gamma", self.module.weight), ("beta", self.module.bias)):
            if parameter is not None and parameter.requires_grad:
                gradients[f"{name}_gradient"] = array(parameter.grad)
        return gradients


class Network(Model):
    def __init__(self, network, mode, workdir):
        module = nn.Sequential(OrderedDict((entry["name"], build(entry)) for entry in network))
        keys, variables = {}, {}
        for entry in network:
            prefix = entry["name"] + "."
            keys.update((prefix + name, prefix + key) for name, key in KEYS[entry["kind"]].items())
            variables.update((prefix + name, value) for name, value in entry["variables"].items())
        super().__init__(module, dict(module.named_children(), model=module), keys, variables)


def use_layer(*classes):
    """Drive other classes: one that is or derives from a BatchNorm1d, 2d or 3d for its ranks, any other for all."""
    names = {own.__name__ for own in BATCH_NORMS.values()}
    bases = {cls: names & {base.__name__ for base in cls.__mro__} or names for cls in classes}
    for rank, own in BATCH_NORMS.items():
        BATCH_NORMS[rank] = next((cls for cls in classes if own.__name__ in bases[cls]), no_layer)


def no_layer(*_, **__):
    raise Unsupported("no class was given for this rank")
