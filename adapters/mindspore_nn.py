"""Drives mindspore.nn.BatchNorm1d, 2d and 3d, by rank: set_train() says what a pass is; mode function is ops.batch_norm."""

import mindspore as ms
import numpy as np
from mindspore import nn, ops

BATCH_NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm1d, 3: nn.BatchNorm2d, 4: nn.BatchNorm3d}  # by the rank of a sample
ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}
ATTRIBUTES = {
    "batch_norm": {
        "moving_mean": "moving_mean",
        "moving_variance": "moving_variance",
        "gamma": "gamma",
        "beta": "beta",
    },
    "dense": {"kernel": "weight", "bias": "bias"},
}


class Unsupported(Exception):
    """MindSpore has no such thing."""


def describe():
    return {
        "framework": "mindspore",
        "version": ms.__version__,
        "modes": {
            "cell": {},
            "function": {},
            "graph": {},
            "eval_to_freeze": {"frozen_training_call": "infers"},
            "given_statistics_to_freeze": {"frozen_training_call": "infers"},
        },
        "about": {
            "function": ["NORM-1", "NORM-4", "UPDATE-1", "UPDATE-3", "MODE-1", "BATCH-1"],
            "graph": ["COMPILE-1", "NORM-1", "UPDATE-1", "UPDATE-3"],
            "eval_to_freeze": ["freeze", "unfreeze"],
            "given_statistics_to_freeze": ["FREEZE-1", "FREEZE-2"],
        },
        "dialect": {
            # undocumented, as observed in 2.10.0
            "variance": "sample",
            "bare_call": "as_last_set",
            "initial_mode": "inference",
            # undocumented, as observed in 2.10.0: requires_grad is about gradients
            "frozen_training_call": "trains",
            # https://mindspore.cn/docs/zh-CN/r2.3.0/api_python/mindspore/mindspore.load_param_into_net.html
            "missing_statistics": "kept",
            # https://www.mindspore.cn/docs/zh-CN/br_base/api_python/ops/mindspore.ops.batch_norm.html
            "epsilon_zero": "refuses",
            # dtype is that of the parameters: https://mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.BatchNorm1d.html
            "state_dtype": "layer",
            # as the docstring of mindspore.nn.Adam 2.10.0 has it; the operator underneath is documented with the other:
            # https://mindspore.cn/docs/zh-CN/r1.7/api_python/ops/mindspore.ops.Adam.html
            "adam_epsilon": "corrected",
        },
    }


def use(device):
    ms.set_device(device)


def tensor(x, dtype="float32"):
    """(N, ..., C) -> (N, C, ...)."""
    return ms.Tensor(np.ascontiguousarray(np.moveaxis(x, -1, 1)), getattr(ms, dtype))


def array(y):
    """(N, C, ...) -> (N, ..., C), in NumPy."""
    return values(y.movedim(1, -1))


def values(y):
    """In NumPy, which has no bfloat16."""
    return ("bfloat16", y.astype(ms.float32).asnumpy()) if y.dtype == ms.bfloat16 else y.asnumpy()


class Function(nn.BatchNorm2d):
    """A cell that leaves its parameters to ops.batch_norm, of any rank."""

    def construct(self, x):
        statistics = self.moving_mean, self.moving_variance
        return ops.batch_norm(x, *statistics, self.gamma, self.beta, self.training, self.momentum, self.eps)


def batch_norm(layer, mode):
    if layer["training"] is not None:
        raise Unsupported("a cell's mode is switched by set_train(), it is not baked in")
    if layer["center"] != layer["scale"]:
        raise Unsupported("affine=False fixes gamma and beta together")
    if layer["dtype"] not in ("float16", "float32"):
        raise Unsupported("a cell takes float16 and float32")
    if layer["epsilon"] > 1:
        raise Unsupported("epsilon is in (0, 1]")
    if not layer.get("track", True):
        raise Unsupported("a cell always keeps its statistics")
    frozen = mode == "given_statistics_to_freeze" and not layer["trainable"]
    return (Function if mode == "function" else BATCH_NORMS[len(layer["shape"])])(
        layer["features"],
        eps=layer["epsilon"],
        momentum=layer["momentum"],
        affine=layer["scale"],
        use_batch_statistics=False if frozen else None,
        dtype=getattr(ms, layer["dtype"]),
    )


def build(entry, mode, made):
    if entry["kind"] == "activation":
        return ACTIVATIONS[entry["function"]]()
    if entry["kind"] == "dense":
        return nn.Dense(entry["inputs"], entry["units"], "zeros", "zeros", entry["use_bias"])
    return batch_norm(entry, mode) if entry["kind"] == "batch_norm" else Stack(entry["layers"], mode, made)


class Stack(nn.Cell):
    """Cells in order; `made` are those so far, by name, of which one may stand again."""

    def __init__(self, entries, mode, made):
        super().__init__()
        order = []
        for entry in entries:
            if entry["kind"] != "again":
                made[entry["name"]] = build(entry, mode, made)
                setattr(self, entry["name"], made[entry["name"]])
            order.append(made[entry["name"]])
        self.order = tuple(order)

    def construct(self, x):
        for cell in self.order:
            x = cell(x)
        return x


def make_optimizer(parameters, name, learning_rate, beta_1=None, beta_2=None, epsilon=None):
    if name == "sgd":
        return nn.SGD(parameters, learning_rate)
    if name == "adam":
        return nn.Adam(parameters, learning_rate, beta_1, beta_2, epsilon)
    raise Unsupported(f"this adapter has no optimizer {name}")


class Model:
    """A cell, its `parts` by name, and the `parameters` that are its quantities."""

    def __init__(self, cell, made, entries, mode, dtype="float32"):
        ms.set_context(mode=ms.GRAPH_MODE if mode == "graph" else ms.PYNATIVE_MODE)
        self.cell, self.variant, self.dtype, self.frozen = cell, mode, dtype, []
        self.optimizer = self.step = None
        self.parts, self.parameters = {"layer": cell, "model": cell, **made}, {}
        for name, entry in entries:
            part = self.parts[name or "layer"]
            part = getattr(part, "bn2d", part)  # BatchNorm3d has its parameters in there
            prefix = name and name + "."
            for quantity, attribute in ATTRIBUTES[entry["kind"]].items():
                if entry.get({"gamma": "scale", "beta": "center", "bias": "use_bias"}.get(quantity), True):
                    self.parameters[prefix + quantity] = getattr(part, attribute)
            self.set({prefix + quantity: value for quantity, value in entry["variables"].items()})
            if not entry.get("trainable", True):
                self.mark(name or "layer", False)

    def state(self):  # a dense kernel is (out, in) here; .T leaves vectors as they are
        return {name: values(parameter.T) for name, parameter in self.parameters.items()}

    def set(self, given):
        for name, value in given.items():
            parameter = self.parameters[name]
            parameter.set_data(ms.Tensor(np.ascontiguousarray(value.T), parameter.dtype))

    def switch(self, part, training):
        """Set the mode; None leaves it as it was."""
        if training is not None:
            part.set_train(training)
            self.keep_frozen()  # set_train() was for all cells inside

    def forward(self, x, training, through="model"):
        self.switch(self.parts[through], training)
        return self.parts[through](tensor(x, self.dtype))

    def train(self, x, through="model"):
        return array(self.forward(x, True, through))

    def predict(self, x, through="model"):
        return array(self.forward(x, False, through))

    def call(self, x, training, through="model"):
        return array(self.forward(x, training, through))

    def mode(self, of, training):
        self.parts[of].set_train(training)

    def evaluate(self, x, targets, loss, through="model"):
        return ops.mse_loss(self.forward(x, False, through), tensor(targets)).asnumpy()

    def fit(self, x, targets, loss, optimizer, epochs, batch_size, validation=None, validation_targets=None):
        if loss != "mse":
            raise Unsupported(f"this adapter has no loss {loss}")
        if self.optimizer is None:
            self.optimizer = make_optimizer(self.cell.trainable_params(), **optimizer)
            forward = lambda inputs, wanted: ops.mse_loss(self.cell(inputs), wanted)  # noqa: E731
            self.step = ms.value_and_grad(forward, None, self.optimizer.parameters)
        for _ in range(epochs):
            self.switch(self.cell, True)
            for start in range(0, len(x), batch_size):
                batch = slice(start, start + batch_size)
                _, gradients = self.step(tensor(x[batch]), tensor(targets[batch]))
                self.optimizer(gradients)
            if validation is not None:
                self.evaluate(validation, validation_targets, loss)

    def freeze(self, of, recompile):
        self.set_trainable(of, False, recompile)

    def unfreeze(self, of, recompile):
        self.set_trainable(of, True, recompile)

    def set_trainable(self, of, trainable, recompile):
        if self.variant == "given_statistics_to_freeze":
            raise Unsupported("use_batch_statistics is given when a cell is built")
        self.mark(of, trainable)
        if recompile:  # nothing is compiled here: to begin anew is to make a new optimizer
            self.optimizer = None

    def mark(self, of, trainable):
        learning = {id(parameter) for name, parameter in self.parameters.items() if "moving" not in name}
        for parameter in self.parts[of].get_parameters():
            if id(parameter) in learning:
                parameter.requires_grad = trainable
        norms = [cell for _, cell in self.parts[of].cells_and_names() if isinstance(cell, tuple(BATCH_NORMS.values()))]
        self.frozen = [norm for norm in self.frozen if norm not in norms] + ([] if trainable else norms)
        self.keep_frozen()

    def keep_frozen(self):
        for norm in self.frozen if self.variant == "eval_to_freeze" else ():
            norm.set_train(False)

    def save(self, path):
        ms.save_checkpoint(self.cell, path + ".ckpt")

    def restore(self, path, omit=()):
        saved = ms.load_checkpoint(path + ".ckpt")
        for name in omit:
            del saved[self.parameters[name].name]
        ms.load_param_into_net(self.cell, saved)


class Layer(Model):
    def __init__(self, layer, mode, workdir):
        entries = [("", {"kind": "batch_norm", **layer})]
        super().__init__(batch_norm(layer, mode), {}, entries, mode, layer["dtype"])

    def backward(self, x, upstream, training):
        self.switch(self.cell, training)
        inputs, upstream = tensor(x, self.dtype), tensor(upstream, self.dtype)

        def weighted_sum(inputs):
            output = self.cell(inputs)
            return (upstream * output).sum(), output

        learning = {name: value for name, value in self.parameters.items() if value.requires_grad}
        differentiate = ms.value_and_grad(weighted_sum, 0, list(learning.values()) or None, has_aux=True)
        (_, output), by = differentiate(inputs)
        by_input, by_parameters = by if learning else (by, ())
        found = {"output": array(output), "input_gradient": array(by_input)}
        found.update((name + "_gradient", values(g)) for name, g in zip(learning, by_parameters, strict=True))
        return found


class Network(Model):
    def __init__(self, network, mode, workdir):
        made = {}
        super().__init__(Stack(network, mode, made), made, list(flat(network)), mode)


def flat(network):
    """The entries of a network and of those in it that have variables, by name."""
    for entry in network:
        if entry["kind"] in ATTRIBUTES:
            yield entry["name"], entry
        yield from flat(entry.get("layers", ()))
