"""Drives paddle.nn.BatchNorm1D, 2D and 3D, by rank, in dynamic graphs: train() and eval() say what a pass is."""

import contextlib

import paddle
from paddle import nn
from paddle.nn.functional import mse_loss

BATCH_NORMS = {1: nn.BatchNorm1D, 2: nn.BatchNorm1D, 3: nn.BatchNorm2D, 4: nn.BatchNorm3D}  # by the rank of a sample
ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}
KEYS = {  # {quantity: its key in state_dict()}
    "batch_norm": {"moving_mean": "_mean", "moving_variance": "_variance", "gamma": "weight", "beta": "bias"},
    "dense": {"kernel": "weight", "bias": "bias"},
}


class Unsupported(Exception):
    """Paddle has no such thing."""


def describe():
    return {
        "framework": "paddle",
        "version": paddle.__version__,
        "modes": {
            "layer": {},
            "eval_to_freeze": {"frozen_training_call": "infers"},
            "global_statistics_to_freeze": {"frozen_training_call": "infers"},
        },
        "about": {
            "eval_to_freeze": ["freeze", "unfreeze"],
            "global_statistics_to_freeze": ["FREEZE-1", "FREEZE-2"],
        },
        "dialect": {
            # https://paddlepaddle.org.cn/documentation/docs/en/api/paddle/nn/BatchNorm1D_en.html
            "variance": "population",
            # https://github.com/PaddlePaddle/docs/blob/0084603/docs/api/paddle/nn/Layer_cn.rst
            "bare_call": "as_last_set",
            "missing_statistics": "kept",
            # trainable=False and stop_gradient are said to be about weights and gradients, and no more:
            # https://github.com/PaddlePaddle/docs/blob/02a2e9f/docs/faq/train_cn.md
            "frozen_training_call": "trains",
            # https://paddlepaddle.org.cn/documentation/docs/zh/2.3/api/paddle/optimizer/Adam_cn.html
            "adam_epsilon": "uncorrected",
            # undocumented, as observed in 3.3.1; the data are handed on since
            # https://github.com/PaddlePaddle/Paddle/pull/14630
            "one_value_per_channel": "hands_on",
            "state_dtype": "layer",
            "arithmetic": "layer",
        },
    }


def use(device):
    paddle.set_device(device)


def tensor(x):
    """(N, ..., C) -> (N, C, ...), on the device."""
    return paddle.to_tensor(x).transpose([0, x.ndim - 1, *range(1, x.ndim - 1)])


def array(y):
    """(N, C, ...) -> (N, ..., C), in NumPy."""
    return values(y.transpose([0, *range(2, y.ndim), 1]))


def values(y):
    """In NumPy, which has no bfloat16."""
    return ("bfloat16", y.astype("float32").numpy()) if y.dtype == paddle.bfloat16 else y.numpy()


@contextlib.contextmanager
def default_dtype(dtype):
    """A layer takes the dtype that is the default when it is built."""
    before = paddle.get_default_dtype()
    paddle.set_default_dtype(dtype)
    yield
    paddle.set_default_dtype(before)


def batch_norm(layer, mode):
    if layer["training"] is not None:
        raise Unsupported("a layer's mode is switched by train() and eval(), it is not baked in")
    if not layer.get("track", True):
        raise Unsupported(
            "a layer always keeps its statistics; with use_global_stats=False it does not infer with them"
        )
    if layer["dtype"] in ("float16", "bfloat16") and paddle.get_device() == "cpu":
        raise Unsupported("on a CPU, batch_norm has no kernel for 16-bit numbers")
    frozen = mode == "global_statistics_to_freeze" and not layer["trainable"]
    with default_dtype(layer["dtype"]):
        return BATCH_NORMS[len(layer["shape"])](
            layer["features"],
            momentum=layer["momentum"],
            epsilon=layer["epsilon"],
            weight_attr=None if layer["scale"] else False,
            bias_attr=None if layer["center"] else False,
            use_global_stats=True if frozen else None,
        )


def build(entry, mode, made):
    if entry["kind"] == "activation":
        return ACTIVATIONS[entry["function"]]()
    if entry["kind"] == "dense":
        zeros = paddle.ParamAttr(initializer=nn.initializer.Constant(0.0))
        return nn.Linear(entry["inputs"], entry["units"], zeros, None if entry["use_bias"] else False)
    return batch_norm(entry, mode) if entry["kind"] == "batch_norm" else Stack(entry["layers"], mode, made)


class Stack(nn.Layer):
    """Layers in order; `made` are those so far, by name, of which one may stand again."""

    def __init__(self, entries, mode, made):
        super().__init__()
        self.order = []
        for entry in entries:
            name = entry["name"]
            if entry["kind"] != "again":
                made[name] = self.add_sublayer(name, build(entry, mode, made))
            self.order.append(made[name])

    def forward(self, x):
        for layer in self.order:
            x = layer(x)
        return x


def make_optimizer(parameters, name, learning_rate, beta_1=None, beta_2=None, epsilon=None):
    if name == "sgd":
        return paddle.optimizer.SGD(learning_rate, parameters)
    if name == "adam":
        return paddle.optimizer.Adam(learning_rate, beta_1, beta_2, epsilon, parameters)
    raise Unsupported(f"this adapter has no optimizer {name}")


class Model:
    """A layer, its `parts` by name, and the `keys` of its quantities in state_dict()."""

    def __init__(self, layer, entries, shape, mode):
        self.layer, self.variant, self.optimizer, self.frozen = layer, mode, None, []
        self.shape = [shape[-1], *shape[:-1]]
        self.parts = {"layer": layer, "model": layer}
        places = {"": ""}
        for place, part in layer.named_sublayers():
            name = place.rpartition(".")[2]
            self.parts[name], places[name] = part, place + "."
        found = layer.state_dict()
        self.keys, given = {}, {}
        for name, entry in entries:
            prefix = name and name + "."
            keys = {quantity: places[name] + key for quantity, key in KEYS[entry["kind"]].items()}
            self.keys.update((prefix + quantity, key) for quantity, key in keys.items() if key in found)
            given.update((prefix + quantity, value) for quantity, value in entry["variables"].items())
        self.tensors = {name: found[key] for name, key in self.keys.items()}
        self.set(given)
        for name, entry in entries:
            if not entry.get("trainable", True):
                self.mark(name or "layer", False)

    def state(self):
        return {name: values(tensor) for name, tensor in self.tensors.items()}

    def set(self, given):
        for name, value in given.items():
            target = self.tensors[name]
            target.set_value(paddle.to_tensor(value, dtype=target.dtype))

    def forward(self, x, training, through="model"):
        """One pass; `training` None leaves the mode as it was."""
        part = self.parts[through]
        if training is not None:
            part.train() if training else part.eval()
            self.keep_frozen()  # train() was for all layers inside
        return part(x)

    def train(self, x, through="model"):
        return array(self.forward(tensor(x), True, through))

    def predict(self, x, through="model", exported=None):
        if exported:
            return array(paddle.jit.load(exported)(tensor(x)))
        with paddle.no_grad():
            return array(self.forward(tensor(x), False, through))

    def call(self, x, training, through="model"):
        return array(self.forward(tensor(x), training, through))

    def mode(self, of, training):
        self.parts[of].train() if training else self.parts[of].eval()

    def loss(self, x, targets, training, through="model"):
        return mse_loss(self.forward(tensor(x), training, through), tensor(targets))

    def evaluate(self, x, targets, loss, through="model"):
        with paddle.no_grad():
            return self.loss(x, targets, False, through).numpy()

    def fit(self, x, targets, loss, optimizer, epochs, batch_size, validation=None, validation_targets=None):
        if loss != "mse":
            raise Unsupported(f"this adapter has no loss {loss}")
        self.optimizer = self.optimizer or make_optimizer(self.layer.parameters(), **optimizer)
        for _ in range(epochs):
            for start in range(0, len(x), batch_size):
                batch = slice(start, start + batch_size)
                self.loss(x[batch], targets[batch], True).backward()
                self.optimizer.step()
                self.optimizer.clear_grad()
            if validation is not None:
                self.evaluate(validation, validation_targets, loss)

    def freeze(self, of, recompile):
        self.set_trainable(of, False, recompile)

    def unfreeze(self, of, recompile):
        self.set_trainable(of, True, recompile)

    def set_trainable(self, of, trainable, recompile):
        if self.variant == "global_statistics_to_freeze":
            raise Unsupported("use_global_stats is given when a layer is built")
        self.mark(of, trainable)
        if recompile:  # nothing is compiled here: to begin anew is to make a new optimizer
            self.optimizer = None

    def mark(self, of, trainable):
        part = self.parts[of]
        for parameter in part.parameters():
            parameter.stop_gradient = not trainable
        self.frozen = [layer for layer in self.frozen if layer not in norms(part)] + ([] if trainable else norms(part))
        self.keep_frozen()

    def keep_frozen(self):
        for layer in self.frozen if self.variant == "eval_to_freeze" else ():
            layer.eval()

    def save(self, path):
        paddle.save(self.layer.state_dict(), path + ".pdparams")

    def restore(self, path, omit=()):
        saved = paddle.load(path + ".pdparams")
        for name in omit:
            del saved[self.keys[name]]
        self.layer.set_state_dict(saved)

    def export(self, path):
        modes = [(part, part.training) for part in self.layer.sublayers(include_self=True)]
        self.layer.eval()  # what is saved computes as the layer does in its mode
        paddle.jit.save(self.layer, path, [paddle.static.InputSpec([None, *self.shape], name="x")])
        for part, training in modes:
            part.training = training


def norms(part):
    """The batch normalisations in a layer."""
    return [layer for layer in part.sublayers(include_self=True) if isinstance(layer, tuple(BATCH_NORMS.values()))]


class Layer(Model):
    def __init__(self, layer, mode, workdir):
        super().__init__(batch_norm(layer, mode), [("", {"kind": "batch_norm", **layer})], layer["shape"], mode)

    def backward(self, x, upstream, training):
        inputs = tensor(x)
        inputs.stop_gradient = False
        output = self.forward(inputs, training)
        self.layer.clear_gradients()
        output.backward(tensor(upstream))
        gradients = {"output": array(output), "input_gradient": array(inputs.grad)}
        for name, parameter in (("gamma", self.layer.weight), ("beta", self.layer.bias)):
            if parameter is not None and not parameter.stop_gradient and parameter.grad is not None:
                gradients[f"{name}_gradient"] = values(parameter.grad)
        return gradients


class Network(Model):
    def __init__(self, network, mode, workdir):
        entries = list(flat(network))
        first = entries[0][1]
        shape = [first["inputs"]] if first["kind"] == "dense" else first["shape"]
        super().__init__(Stack(network, mode, {}), entries, shape, mode)


def flat(network):
    """The entries of a network and of those in it that have variables, by name."""
    for entry in network:
        if entry["kind"] in KEYS:
            yield entry["name"], entry
        yield from flat(entry.get("layers", ()))
