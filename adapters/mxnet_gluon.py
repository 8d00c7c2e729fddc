"""Drives mxnet.gluon.nn.BatchNorm under autograd.record(); mode operator is mx.nd.BatchNorm with its fix_gamma.

MXNet moves the statistics in backward() and not in the forward pass: a pass in training mode is both here, but in
mode forward_only. The data get a gradient too, since a frozen layer would have nothing to differentiate.
"""

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon

CONTEXT = mx.cpu()
ATTRIBUTES = {  # {quantity: the parameter's attribute, and its key in a checkpoint}
    "batch_norm": {"moving_mean": "running_mean", "moving_variance": "running_var", "gamma": "gamma", "beta": "beta"},
    "dense": {"kernel": "weight", "bias": "bias"},
}


class Unsupported(Exception):
    """MXNet has no such thing."""


def describe():
    return {
        "framework": "mxnet",
        "version": mx.__version__,
        "modes": {
            "layer": {},
            "hybrid": {},
            "operator": {},
            "forward_only": {},
            "global_statistics_to_freeze": {"frozen_training_call": "infers"},
            "allow_missing": {"missing_statistics": "kept"},
        },
        "about": {
            "hybrid": ["COMPILE-1", "freeze", "unfreeze"],
            "operator": ["NORM-3", "NORM-5"],
            "forward_only": ["UPDATE-5"],
            "global_statistics_to_freeze": ["FREEZE-1", "FREEZE-2"],
            "allow_missing": ["restore"],
        },
        "dialect": {
            # undocumented, as observed in 1.9.1
            "variance": "population",
            "empty_batch": "refuses",
            "state_dtype": "wider",
            "arithmetic": "layer",
            # autograd is in predicting mode unless told otherwise: https://github.com/apache/mxnet/issues/15644
            "bare_call": "infers",
            # undocumented, as observed in 1.9.1, where something below learns; without a gradient nothing moves:
            # https://github.com/apache/mxnet/issues/18673
            "frozen_training_call": "trains",
            # allow_missing is False unless told otherwise:
            # https://mxnet.apache.org/versions/1.9.0/api/python/docs/api/gluon/block.html
            "missing_statistics": "refused",
            # as documented, but for its swapped betas, in the docstring of mxnet.optimizer.Adam
            "adam_epsilon": "uncorrected",
        },
    }


def use(device):
    global CONTEXT
    CONTEXT = mx.Context(*device.split(":")) if ":" in device else mx.Context(device)


def tensor(x):
    """(N, ..., C) -> (N, C, ...), in the context."""
    return mx.nd.array(np.moveaxis(x, -1, 1), CONTEXT, x.dtype)


def array(y):
    """(N, C, ...) -> (N, ..., C), in NumPy."""
    return np.moveaxis(y.asnumpy(), 1, -1)


class Operator(gluon.nn.BatchNorm):
    """The operator with its own defaults, of which one is to fix gamma."""

    def hybrid_forward(self, F, x, gamma, beta, running_mean, running_var):
        settings = {name: self._kwargs[name] for name in ("eps", "momentum")}
        return F.BatchNorm(x, gamma, beta, running_mean, running_var, **settings)


def batch_norm(layer, mode):
    if layer["training"] is not None:
        raise Unsupported("autograd says what a pass is, it is not baked into a block")
    if not layer.get("track", True):
        raise Unsupported("a block always keeps its statistics")
    if layer["dtype"] == "bfloat16":
        raise Unsupported("NumPy arrays of bfloat16 do not come in or out")
    block = (Operator if mode == "operator" else gluon.nn.BatchNorm)(
        in_channels=layer["features"],
        momentum=layer["momentum"],
        epsilon=layer["epsilon"],
        center=layer["center"],
        scale=layer["scale"],
        use_global_stats=mode == "global_statistics_to_freeze" and not layer["trainable"],
    )
    block.cast(layer["dtype"])
    return block


def build(entry, mode, made, place):
    if entry["kind"] == "activation":
        return gluon.nn.Activation(entry["function"])
    if entry["kind"] == "dense":
        return gluon.nn.Dense(
            entry["units"],
            use_bias=entry["use_bias"],
            flatten=False,
            in_units=entry["inputs"],
            weight_initializer="zeros",
        )
    return batch_norm(entry, mode) if entry["kind"] == "batch_norm" else Stack(entry["layers"], mode, made, place)


class Stack(gluon.HybridBlock):
    """Blocks in order; `made` are those so far, {name: (block, place)}, of which one may stand again."""

    def __init__(self, entries, mode, made, place=""):
        super().__init__()
        self.order = []
        for entry in entries:
            name = entry["name"]
            if entry["kind"] != "again":
                made[name] = build(entry, mode, made, place + name + "."), place + name + "."
                self.register_child(made[name][0], name)
            self.order.append(made[name][0])

    def hybrid_forward(self, F, x):
        for block in self.order:
            x = block(x)
        return x


mse = gluon.loss.L2Loss(weight=2)  # which is halved there; of each sample, and the trainer divides by their number


def make_trainer(parameters, name, learning_rate, beta_1=None, beta_2=None, epsilon=None):
    if name == "sgd":
        return gluon.Trainer(parameters, "sgd", {"learning_rate": learning_rate})
    if name == "adam":
        settings = {"learning_rate": learning_rate, "beta1": beta_1, "beta2": beta_2, "epsilon": epsilon}
        return gluon.Trainer(parameters, "adam", settings)
    raise Unsupported("this adapter has no optimizer " + name)


class Model:
    """A block, its `parts` by name, and the `places` of its quantities: (parameter, key in a checkpoint)."""

    def __init__(self, block, made, entries, mode):
        self.block, self.variant, self.trainer = block, mode, None
        self.parts = {"layer": block, "model": block, **{name: part for name, (part, _) in made.items()}}
        self.places = {}
        block.initialize(ctx=CONTEXT)
        if mode == "hybrid":
            block.hybridize()
        for name, entry in entries:
            part, place = made.get(name, (block, ""))
            prefix = name and name + "."
            for quantity, attribute in ATTRIBUTES[entry["kind"]].items():
                if entry.get({"gamma": "scale", "beta": "center", "bias": "use_bias"}.get(quantity), True):
                    self.places[prefix + quantity] = getattr(part, attribute), place + attribute
            self.set({prefix + quantity: value for quantity, value in entry["variables"].items()})
            if not entry.get("trainable", True):
                part.collect_params().setattr("grad_req", "null")

    def state(self):  # a dense kernel is (out, in) here; .T leaves vectors as they are
        return {name: parameter.data().asnumpy().T for name, (parameter, _) in self.places.items()}

    def set(self, given):
        for name, value in given.items():
            self.places[name][0].set_data(mx.nd.array(value.T, CONTEXT))

    def train(self, x, through="model"):
        return array(self.both_ways(tensor(x), self.parts[through]))

    def both_ways(self, x, part, upstream=None, training=True):
        """A forward pass and, for the sake of the statistics, a backward pass."""
        x.attach_grad()
        with autograd.record(train_mode=training):
            output = part(x)
        if self.variant != "forward_only" or upstream is not None:
            output.backward(upstream, train_mode=training)
        return output

    def predict(self, x, through="model"):
        with autograd.predict_mode():
            return array(self.parts[through](tensor(x)))

    def call(self, x, training, through="model"):
        if training is None:
            return array(self.parts[through](tensor(x)))
        return self.train(x, through) if training else self.predict(x, through)

    def evaluate(self, x, targets, loss, through="model"):
        with autograd.predict_mode():
            return mse(self.parts[through](tensor(x)), tensor(targets)).mean().asnumpy()

    def fit(self, x, targets, loss, optimizer, epochs, batch_size, validation=None, validation_targets=None):
        if loss != "mse":
            raise Unsupported("this adapter has no loss " + loss)
        if self.trainer is None:
            self.trainer = make_trainer(self.block.collect_params(), **optimizer)
        for _ in range(epochs):
            for start in range(0, len(x), batch_size):
                batch = slice(start, start + batch_size)
                with autograd.record():
                    error = mse(self.block(tensor(x[batch])), tensor(targets[batch]))
                error.backward()
                self.trainer.step(len(error))
            if validation is not None:
                self.evaluate(validation, validation_targets, loss)

    def freeze(self, of, recompile):
        self.set_trainable(of, "null", recompile)

    def unfreeze(self, of, recompile):
        self.set_trainable(of, "write", recompile)

    def set_trainable(self, of, grad_req, recompile):
        if self.variant == "global_statistics_to_freeze":
            raise Unsupported("use_global_stats is given when a block is built")
        self.parts[of].collect_params().setattr("grad_req", grad_req)
        if recompile:  # nothing is compiled here: to begin anew is to make a new trainer
            self.trainer = None

    def save(self, path):
        self.block.save_parameters(path + ".params")

    def restore(self, path, omit=()):
        path += ".params"
        if omit:
            saved = mx.nd.load(path)
            path += ".less"
            mx.nd.save(path, {key: saved[key] for key in saved.keys() - {self.places[name][1] for name in omit}})
        self.block.load_parameters(path, CONTEXT, allow_missing=self.variant == "allow_missing")


class Layer(Model):
    def __init__(self, layer, mode, workdir):
        super().__init__(batch_norm(layer, mode), {}, [("", {"kind": "batch_norm", **layer})], mode)

    def backward(self, x, upstream, training):
        inputs = tensor(x)
        output = self.both_ways(inputs, self.block, tensor(upstream), bool(training))
        gradients = {"output": array(output), "input_gradient": array(inputs.grad)}
        for name in {"gamma", "beta"} & self.places.keys():
            parameter = self.places[name][0]
            if parameter.grad_req != "null":
                gradients[name + "_gradient"] = parameter.grad().asnumpy()
        return gradients


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
