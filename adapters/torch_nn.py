"""Drives torch.nn.BatchNorm1d, 2d and 3d, by rank: train() and eval() say what a pass is.

module:            the module as it is, eagerly; to freeze is requires_grad_(False)
cumulative:        momentum=None
compile:           through torch.compile
checkpointed:      through torch.utils.checkpoint, which runs the forward pass once more in the backward pass
exported:          each inference by what torch.export makes of the model then
eval_to_freeze:    to freeze is eval(), once
eval_and_no_grad:  to freeze is requires_grad_(False), and eval() again after each train()
nonstrict:         load_state_dict(strict=False)
safetensors:       save_model and load_model of safetensors.torch in place of torch.save and load_state_dict
"""

from collections import OrderedDict
from functools import partial

import torch
from torch import nn
from torch.nn.functional import mse_loss
from torch.utils.checkpoint import checkpoint

try:
    import safetensors.torch as safetensors
except ImportError:  # torch works without it
    safetensors = None

DEVICE = None  # CPU, which needs no copying
BATCH_NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm1d, 3: nn.BatchNorm2d, 4: nn.BatchNorm3d}  # by the rank of a sample
ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}
KEYS = {  # {quantity: its key in state_dict()}
    "batch_norm": {"moving_mean": "running_mean", "moving_variance": "running_var", "gamma": "weight", "beta": "bias"},
    "dense": {"kernel": "weight", "bias": "bias"},
}


class Unsupported(Exception):
    """PyTorch has no such thing."""


def describe():
    return {
        "framework": "torch",
        "version": torch.__version__,
        "modes": {
            "module": {},
            # https://docs.pytorch.org/docs/stable/generated/torch.nn.modules.batchnorm.BatchNorm1d.html
            "cumulative": {"startup": "cumulative"},
            "compile": {},
            "checkpointed": {},
            "exported": {},
            # eval() lasts until the next train(): https://github.com/pgniewko/gt-pyg/issues/112
            "eval_to_freeze": {},
            # https://github.com/pytorch/pytorch/blob/main/docs/source/notes/autograd.md
            "eval_and_no_grad": {"frozen_training_call": "infers"},
            # https://docs.pytorch.org/tutorials/beginner/saving_loading_models.html
            "nonstrict": {"missing_statistics": "kept"},
            # strict too, unless told otherwise: https://huggingface.co/docs/safetensors/api/torch
            "safetensors": {},
        },
        "about": {
            "cumulative": ["START-3", "UPDATE-3", "RESTORE-4"],
            "compile": ["COMPILE-1"],
            "checkpointed": ["STRUCT-3", "UPDATE-5"],
            "exported": ["PURE-2", "PURE-3", "MODE-3"],
            "eval_to_freeze": ["freeze", "unfreeze"],
            "eval_and_no_grad": ["freeze", "unfreeze"],
            "nonstrict": ["restore"],
            "safetensors": ["restore"],
        },
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
            # https://github.com/pytorch/pytorch/blob/41dc8ae/docs/source/notes/modules.md: what `dtype` stands for
            "state_dtype": "layer",
            "arithmetic": "layer",  # undocumented, as observed in bfloat16
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


def tensor(x, cast=None):
    """(N, ..., C) -> (N, C, ...), on the device, in the type that NumPy does not have."""
    x = torch.from_numpy(x)
    if x.ndim > 2:
        x = x.movedim(-1, 1).contiguous()
    if cast:
        x = x.to(cast)
    return x.to(DEVICE) if DEVICE else x


def array(y):
    """(N, C, ...) -> (N, ..., C), in NumPy."""
    y = (y.movedim(1, -1) if y.ndim > 2 else y).detach()
    y = y.cpu() if DEVICE else y
    return ("bfloat16", y.float().numpy()) if y.dtype is torch.bfloat16 else y.numpy()


def batch_norm(layer, mode):
    if layer["training"] is not None:
        raise Unsupported("a module's mode is switched by train() and eval(), it is not baked in")
    if layer["center"] and not layer["scale"]:
        raise Unsupported("bias=False leaves out beta alone, but only affine=False leaves out gamma, and beta with it")
    new = round(1 - layer["momentum"], 15)  # of the new statistic: 0.01, which 1 - 0.99 is not
    return BATCH_NORMS[len(layer["shape"])](
        layer["features"],
        eps=layer["epsilon"],
        momentum=None if mode == "cumulative" else new,
        affine=layer["scale"],
        track_running_stats=layer["track"],
        dtype=getattr(torch, layer["dtype"]),
        **({"bias": False} if layer["scale"] and not layer["center"] else {}),  # older versions do not know `bias`
    )


def build(entry, mode, parts, path=""):
    """The module of an entry; it and what is inside are noted in `parts`, {name: (module, entry, path)}."""
    kind, path = entry["kind"], f"{path}{entry['name']}."
    if kind == "again":
        return parts[entry["name"]][0]
    if kind == "model":
        module = sequential(entry["layers"], mode, parts, path)
    elif kind == "batch_norm":
        module = batch_norm(entry, mode)
    elif kind == "activation":
        module = ACTIVATIONS[entry["function"]]()
    else:
        module = nn.Linear(entry["inputs"], entry["units"], bias=entry["use_bias"])
        for parameter in module.parameters():
            nn.init.zeros_(parameter)
    parts[entry["name"]] = module, entry, path
    return module


def sequential(entries, mode, parts, path=""):
    """A module with entries as its parts; one that stands there again does so under another name."""
    names = [f"{entry['name']}_{i}" if entry["kind"] == "again" else entry["name"] for i, entry in enumerate(entries)]
    modules = [build(entry, mode, parts, path) for entry in entries]
    return nn.Sequential(OrderedDict(zip(names, modules)))


def make_optimizer(parameters, name, learning_rate, beta_1=None, beta_2=None, epsilon=None):
    if name == "sgd":
        return torch.optim.SGD(parameters, lr=learning_rate)
    return torch.optim.Adam(parameters, lr=learning_rate, betas=(beta_1, beta_2), eps=epsilon)


def passing(module, mode):
    """What a pass calls."""
    if mode == "compile":
        torch.compiler.reset()  # else torch compiles eight variants, and runs all others eagerly
        return torch.compile(module)
    if mode == "checkpointed":
        return partial(checkpoint, module, use_reentrant=False)
    if mode == "exported":
        return lambda x: module(x) if module.training else torch.export.export(module, (x,)).module()(x)
    return module


class Model:
    """A module whose `parts` are {name: (module, its entry, its path in state_dict())}."""

    def __init__(self, mode, module, parts):
        self.how, self.module = mode, module.to(DEVICE) if DEVICE else module
        self.run, self.entries = passing(module, mode), [entry for _, entry, _ in parts.values()]
        self.parts = {"layer": module, "model": module, **{name: part for name, (part, _, _) in parts.items()}}
        self.cast = torch.bfloat16 if self.entries[0].get("dtype") == "bfloat16" else None  # NumPy does not have it
        self.training = True  # the mode that all of the module is in; None where they differ
        self.keys, self.optimizers, self.kept_in_eval = {}, {}, set()
        self.tensors, variables = {}, {}  # torch changes these tensors in place
        for name, (part, entry, path) in parts.items():
            prefix = f"{name}." if name else ""
            for quantity, key in KEYS.get(entry["kind"], {}).items():
                values = getattr(part, key, None)
                if values is not None:
                    self.keys[prefix + quantity], self.tensors[prefix + quantity] = path + key, values.detach()
            for quantity, value in entry["variables"].items():
                variables[prefix + quantity] = value
            if not entry.get("trainable", True):
                self.freeze(name)
        plain = not DEVICE and not self.cast
        self.views = {name: values.numpy().T for name, values in self.tensors.items()} if plain else None
        self.set(variables)

    def state(self):  # a dense kernel is (out, in) in torch; .T leaves vectors as they are
        return self.views or {name: array(values.t()) for name, values in self.tensors.items()}

    def set(self, values):
        for name, value in values.items():
            self.tensors[name].copy_(torch.from_numpy(value.T))

    def forward(self, x, training, through=None):
        """One pass; `training` None leaves the mode as it was."""
        if training is not None and (through or training != self.training):
            self.switch(training, through)
        return self.parts[through](x) if through else self.run(x)

    def switch(self, training, part=None):
        """train() or eval() of the module or a part of it."""
        (self.parts[part] if part else self.module).train(training)
        self.training = None if part else training
        for batch_norm in self.kept_in_eval:
            batch_norm.eval()

    def mode(self, of, training):
        self.switch(training, of)

    def train(self, x, through=None):
        return array(self.forward(tensor(x, self.cast), True, through))

    def predict(self, x, through=None, exported=None):
        if exported:
            return array(torch.export.load(exported + ".pt2").module()(tensor(x, self.cast)))
        with torch.no_grad():
            return array(self.forward(tensor(x, self.cast), False, through))

    def call(self, x, training=None, through=None):
        return array(self.forward(tensor(x, self.cast), training, through))

    def fit(self, x, targets, loss, optimizer, epochs, batch_size, through=None):
        if through not in self.optimizers:
            parameters = self.parts[through or "model"].parameters()
            self.optimizers[through] = make_optimizer(parameters, **optimizer)
        descent = self.optimizers[through]
        for _ in range(epochs):
            for inputs, wanted in zip(tensor(x).split(batch_size), tensor(targets).split(batch_size)):
                descent.zero_grad()
                mse_loss(self.forward(inputs, True, through), wanted).backward()
                descent.step()

    def freeze(self, of, recompile=False, trainable=False):
        part = self.parts[of]
        if self.how != "eval_to_freeze":
            part.requires_grad_(trainable)
        if self.how == "eval_and_no_grad":
            change = self.kept_in_eval.difference_update if trainable else self.kept_in_eval.update
            change(
                module for module in part.modules() if isinstance(module, tuple({*BATCH_NORMS.values()} - {no_layer}))
            )
        if self.how in ("eval_to_freeze", "eval_and_no_grad"):
            self.switch(trainable, of)
        if recompile:  # nothing is compiled here: to begin anew is to make a new optimizer
            self.optimizers = {}

    def unfreeze(self, of, recompile):
        self.freeze(of, recompile, trainable=True)

    def save(self, path):
        if self.how != "safetensors":
            torch.save(self.module.state_dict(), path + ".pt")
        elif safetensors:
            safetensors.save_model(self.module, path + ".safetensors")
        else:
            raise Unsupported("the package safetensors is not installed")

    def restore(self, path, omit=()):
        if self.how == "safetensors":
            if omit:
                saved = safetensors.load_file(path + ".safetensors")
                safetensors.save_file(
                    {key: saved[key] for key in saved.keys() - {self.keys[name] for name in omit}}, path
                )
            safetensors.load_model(self.module, path if omit else path + ".safetensors")
            return
        saved = torch.load(path + ".pt", weights_only=True)
        for name in omit:
            del saved[self.keys[name]]
        self.module.load_state_dict(saved, strict=self.how != "nonstrict")

    def export(self, path):
        """For inference, and any number of samples; the modes stay as they are."""
        modes = [(part, part.training) for part in self.module.modules()]
        first = next(entry for entry in self.entries if "shape" in entry or "inputs" in entry)
        *positions, channels = first.get("shape") or [first["inputs"]]
        dtype = getattr(torch, first.get("dtype", "float32"))
        x = torch.zeros(2, channels, *(length or 3 for length in positions), dtype=dtype, device=DEVICE)
        sizes = {axis: torch.export.Dim.AUTO for axis in range(x.ndim)}  # any that the layers allow
        torch.export.save(torch.export.export(self.module.eval(), (x,), dynamic_shapes=(sizes,)), path + ".pt2")
        for part, training in modes:
            part.training = training


class Layer(Model):
    def __init__(self, layer, mode, workdir):
        module = batch_norm(layer, mode)
        super().__init__(mode, module, {"": (module, dict(layer, kind="batch_norm"), "")})

    def backward(self, x, upstream, training=None):
        inputs = tensor(x, self.cast).requires_grad_()
        output = self.forward(inputs, training)
        self.module.zero_grad()
        output.backward(tensor(upstream, self.cast))
        gradients = {"output": array(output), "input_gradient": array(inputs.grad)}
        for name, parameter in (("gamma", self.module.weight), ("beta", self.module.bias)):
            if parameter is not None and parameter.requires_grad:
                gradients[f"{name}_gradient"] = array(parameter.grad)
        return gradients


class Network(Model):
    def __init__(self, network, mode, workdir):
        parts = {}
        super().__init__(mode, sequential(network, mode, parts), parts)


def use_layer(*classes):
    """Drive other classes: one that is or derives from a BatchNorm1d, 2d or 3d for its ranks, any other for all."""
    names = {own.__name__ for own in BATCH_NORMS.values()}
    bases = {cls: names & {base.__name__ for base in cls.__mro__} or names for cls in classes}
    for rank, own in BATCH_NORMS.items():
        BATCH_NORMS[rank] = next((cls for cls in classes if own.__name__ in bases[cls]), no_layer)


def no_layer(*_, **__):
    raise Unsupported("no class was given for this rank")
