"""Trains torch.nn.BatchNorm in torch, and infers in onnxruntime with what torch.onnx.export made of it.

dynamo:       the exporter that is built on torch.export, the default
torchscript:  the older one, dynamo=False
…-training:   every call runs in onnxruntime, exported in the mode that the module is in; such a graph gives no statistics

The module is exported on an example of zeros, and anew only after its state or its mode have changed.
"""

import io
import warnings
from collections import OrderedDict

import onnxruntime
import onnxscript  # noqa: F401 - the exporter needs it
import torch
from torch import nn

BATCH_NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm1d, 3: nn.BatchNorm2d, 4: nn.BatchNorm3d}  # by the rank of a sample
ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}
KEYS = {  # {quantity: its key in state_dict()}
    "batch_norm": {"moving_mean": "running_mean", "moving_variance": "running_var", "gamma": "weight", "beta": "bias"},
    "dense": {"kernel": "weight", "bias": "bias"},
    "activation": {},
}
ABOUT = {
    "dynamo": ["export", "PURE-2", "PURE-3", "MODE-2", "NORM-4"],
    "torchscript": ["export", "PURE-2", "PURE-3", "MODE-2", "NORM-4"],
    "dynamo-training": ["MODE-3"],
    "torchscript-training": ["MODE-3"],
}


class Unsupported(Exception):
    """PyTorch has no such thing, or this adapter has not."""


def describe():
    return {
        "framework": "torch",
        "version": torch.__version__,
        "backend": "onnxruntime " + onnxruntime.__version__,
        "modes": {mode: {} for mode in ABOUT},
        "about": ABOUT,
        "dialect": {
            # https://docs.pytorch.org/docs/stable/generated/torch.nn.modules.batchnorm.BatchNorm1d.html
            "variance": "sample",
            # https://github.com/pytorch/pytorch/issues/86590
            "frozen_training_call": "trains",
            # https://github.com/pytorch/pytorch/blob/main/docs/source/notes/modules.md
            "bare_call": "as_last_set",
            # undocumented, as observed, and on purpose: https://github.com/pytorch/pytorch/pull/2961
            "one_value_per_channel": "refuses",
            # undocumented, as observed in 2.13: "batch_norm eps must be positive during training"
            "epsilon_zero": "refuses",
            # dtype= is that of all parameters and buffers: https://github.com/pytorch/pytorch/blob/main/docs/source/notes/modules.md
            "state_dtype": "layer",
        },
    }


def build(entry):
    if entry["kind"] == "activation":
        return ACTIVATIONS[entry["function"]]()
    if entry["kind"] == "dense":
        return nn.Linear(entry["inputs"], entry["units"], bias=entry["use_bias"])
    if entry["kind"] != "batch_norm":
        raise Unsupported(f"this adapter has no {entry['kind']}")
    if entry["training"] is not None:
        raise Unsupported("a module's mode is switched by train() and eval(), it is not baked in")
    if entry["dtype"] == "bfloat16":
        # https://github.com/microsoft/onnxruntime/blob/main/docs/OperatorKernels.md
        raise Unsupported("onnxruntime has no BatchNormalization of bfloat16 on CPU")
    if entry["scale"] != entry["center"]:
        raise Unsupported("affine is about gamma and beta alike")
    momentum = round(1 - entry["momentum"], 15)  # of the new statistic
    module = BATCH_NORMS[len(entry["shape"])](
        entry["features"],
        entry["epsilon"],
        momentum,
        entry["scale"],
        entry["track"],
        dtype=getattr(torch, entry["dtype"]),
    )
    return module.requires_grad_(entry["trainable"])


class Network:
    """A sequence of modules, and what was last exported of it."""

    def __init__(self, network, mode, workdir):
        self.exporter, _, self.preserve = mode.partition("-")
        self.exported = None
        self.module = nn.Sequential(OrderedDict((entry["name"], build(entry)) for entry in network))
        self.shape = network[0].get("shape") or [network[0]["inputs"]]
        self.dtype = getattr(torch, network[0].get("dtype", "float32"))
        tensors, self.tensors = self.module.state_dict(), {}  # references: torch changes them in place
        for entry in network:
            for name, key in KEYS[entry["kind"]].items():
                if f"{entry['name']}.{key}" in tensors:
                    self.tensors[self.quantity(entry, name)] = tensors[f"{entry['name']}.{key}"]
            self.set({self.quantity(entry, name): value for name, value in entry["variables"].items()})

    def quantity(self, entry, name):
        return f"{entry['name']}.{name}"

    def state(self):  # a dense kernel is (out, in) in torch; .T leaves vectors as they are
        return {name: tensor.numpy().T for name, tensor in self.tensors.items()}

    def set(self, values):
        for name, value in values.items():
            self.tensors[name].copy_(torch.from_numpy(value.T))

    def mode(self, of, training):
        self.module.train(training) if of in ("layer", "model") else self.module.get_submodule(of).train(training)

    def train(self, x):
        self.module.train()
        return self.eager(x)

    def eager(self, x):
        return array(self.module(channels_second(x)).detach())

    def call(self, x, training=None):
        if training is not None:
            self.module.train(training)
        if training is not False and not self.preserve:
            return self.eager(x)
        if self.exported != self.now():
            self.session = onnxruntime.InferenceSession(self.artefact("PRESERVE" if self.preserve else "EVAL"))
            self.exported = self.now()
        return run(self.session, x)

    def now(self):
        return [module.training for module in self.module], [x.numpy().tobytes() for x in self.tensors.values()]

    def artefact(self, training):
        sizes = [self.shape[-1], *self.shape[:-1]]
        example = torch.zeros([2, *(size or 2 for size in sizes)], dtype=self.dtype)
        free = [0, *(axis for axis, size in enumerate(sizes, start=1) if size is None)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return EXPORTERS[self.exporter](self.module, example, free, getattr(torch.onnx.TrainingMode, training))

    def predict(self, x, exported=None):
        return run(onnxruntime.InferenceSession(exported + ".onnx"), x) if exported else self.call(x, training=False)

    def export(self, path):
        with open(path + ".onnx", "wb") as file:
            file.write(self.artefact("EVAL"))


class Layer(Network):
    def __init__(self, layer, mode, workdir):
        super().__init__([dict(layer, kind="batch_norm", name="layer")], mode, workdir)

    def quantity(self, entry, name):
        return name


def dynamo(module, example, free, training):
    shapes = {axis: torch.export.Dim.DYNAMIC for axis in free}
    program = torch.onnx.export(module, (example,), dynamic_shapes=[shapes], verbose=False)
    return program.model_proto.SerializeToString()


def torchscript(module, example, free, training):
    file = io.BytesIO()
    settings = {"input_names": ["x"], "dynamic_axes": {"x": free}, "training": training}
    torch.onnx.export(module, (example,), file, dynamo=False, **settings)
    return file.getvalue()


EXPORTERS = {"dynamo": dynamo, "torchscript": torchscript}


def channels_second(x):
    return torch.from_numpy(x).movedim(-1, 1).contiguous()


def array(y):
    return y.movedim(1, -1).numpy()


def run(session, x):
    (y,) = session.run(None, {session.get_inputs()[0].name: channels_second(x).numpy()})
    return array(torch.from_numpy(y))
