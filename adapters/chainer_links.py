"""Drives chainer.links.BatchNormalization: chainer.config.train says what a pass is; finetune is the fine-tuning mode."""

import chainer
import numpy as np
from chainer import functions, links, optimizers, serializers

DEVICE = chainer.get_device("@numpy")
ATTRIBUTES = {  # {quantity: its attribute, which is its key in a checkpoint too}
    links.BatchNormalization: {
        "moving_mean": "avg_mean",
        "moving_variance": "avg_var",
        "gamma": "gamma",
        "beta": "beta",
    },
    links.Linear: {"kernel": "W", "bias": "b"},
}


class Unsupported(Exception):
    """Chainer has no such thing."""


def describe():
    return {
        "framework": "chainer",
        "version": chainer.__version__,
        "modes": {
            "link": {},
            "testing_to_freeze": {"frozen_training_call": "infers"},
            "disabled_before_setup": {},
            # https://github.com/chainer/chainer/issues/8140
            "finetune": {"startup": "cumulative"},
            # https://docs.chainer.org/en/stable/reference/generated/chainer.serializers.load_npz.html
            "nonstrict": {"missing_statistics": "kept"},
        },
        "about": {
            "testing_to_freeze": ["freeze", "unfreeze"],
            "disabled_before_setup": ["FREEZE-1", "freeze", "unfreeze"],
            "nonstrict": ["restore"],
        },
        "dialect": {
            # undocumented, as coded, and so are the two of one value: m / max(m - 1, 1)
            # https://github.com/chainer/chainer/blob/0190f47/chainer/functions/normalization/batch_normalization.py
            "variance": "sample",
            "single_value_variance": "population",
            # config.train is True unless told otherwise, and a scope of using_config leaves nothing behind:
            # https://github.com/chainer/chainer/blob/0d837d3/docs/source/reference/configuration.rst
            "bare_call": "trains",
            # a flag of each parameter's update rule: https://github.com/chainer/chainer/issues/2765
            "frozen_training_call": "trains",
            # https://docs.chainer.org/en/stable/reference/generated/chainer.serializers.load_npz.html
            "missing_statistics": "refused",
            # undocumented, as coded: https://github.com/chainer/chainer/blob/026c01a/chainer/optimizers/adam.py
            "adam_epsilon": "uncorrected",
            # undocumented, as observed in 7.8.1
            "empty_batch": "nan",
            "state_dtype": "layer",
            "arithmetic": "layer",
        },
    }


def use(device):
    """Any name that Chainer has: @cupy:0, cuda:0, native:0."""
    global DEVICE
    DEVICE = chainer.get_device(device)
    DEVICE.use()


def send(x):
    """(N, ..., C) -> (N, C, ...), on the device."""
    return DEVICE.send(np.ascontiguousarray(np.moveaxis(x, -1, 1)))


def receive(y):
    """(N, C, ...) -> (N, ..., C), in NumPy."""
    return np.moveaxis(values(y), 1, -1)


def values(variable):
    """A variable, or an array, in NumPy."""
    return chainer.get_device("@numpy").send(getattr(variable, "array", variable))


class FineTuned(links.BatchNormalization):
    """Accumulates the statistics of the population."""

    def forward(self, x):
        return super().forward(x, finetune=True)


class Freezable(links.BatchNormalization):
    """Stays in testing mode while it is frozen."""

    frozen = False

    def forward(self, x):
        with chainer.using_config("train", chainer.config.train and not self.frozen):
            return super().forward(x)


LINKS = {"finetune": FineTuned, "testing_to_freeze": Freezable}


def batch_norm(layer, mode):
    if layer["training"] is not None:
        raise Unsupported("chainer.config.train is one for all links, it is not baked into one")
    if not layer.get("track", True):
        raise Unsupported("a link always keeps its statistics; functions.batch_normalization keeps none")
    if layer["dtype"] == "bfloat16":
        raise Unsupported("Chainer has no bfloat16")
    return LINKS.get(mode, links.BatchNormalization)(
        layer["features"],
        decay=layer["momentum"],
        eps=layer["epsilon"],
        dtype=np.dtype(layer["dtype"]),
        use_gamma=layer["scale"],
        use_beta=layer["center"],
    )


def build(entry, mode, made):
    if entry["kind"] == "activation":
        return getattr(functions, entry["function"])
    if entry["kind"] == "dense":
        return links.Linear(entry["inputs"], entry["units"], not entry["use_bias"], initialW=0)
    return batch_norm(entry, mode) if entry["kind"] == "batch_norm" else Stack(entry["layers"], mode, made)


class Stack(chainer.Chain):
    """Links and functions in order; `made` are those so far, by name, of which one may stand again."""

    def __init__(self, entries, mode, made):
        super().__init__()
        self.order = []
        for entry in entries:
            name = entry["name"]
            if entry["kind"] != "again":
                with self.init_scope():
                    made[name] = build(entry, mode, made)
                    setattr(self, name, made[name])
            self.order.append(made[name])

    def forward(self, x):
        for part in self.order:
            x = part(x)
        return x


def make_optimizer(name, learning_rate, beta_1=None, beta_2=None, epsilon=None):
    if name == "sgd":
        return optimizers.SGD(learning_rate)
    if name == "adam":
        return optimizers.Adam(learning_rate, beta_1, beta_2, epsilon)
    raise Unsupported("this adapter has no optimizer " + name)


class Model:
    """A link; its `parts` by name, and the `places` of its quantities: a link, an attribute, a key in a checkpoint."""

    def __init__(self, link, entries, mode):
        self.link, self.variant, self.optimizer, self.told = link, mode, None, []
        self.parts, self.places = {"layer": link, "model": link}, {}
        for path, part in link.namedlinks():
            name = path.rpartition("/")[2]
            self.parts[name or "layer"] = part
            kind = next((kind for kind in ATTRIBUTES if isinstance(part, kind)), None)
            for quantity, attribute in ATTRIBUTES.get(kind, {}).items():
                if getattr(part, attribute) is not None:
                    key = (path + "/" + attribute).strip("/")
                    self.places[(name + "." if name else "") + quantity] = part, attribute, key
        link.to_device(DEVICE)
        for name, entry in entries:
            self.set({(name + "." if name else "") + key: value for key, value in entry["variables"].items()})
            if not entry.get("trainable", True):
                self.freeze(name or "layer", recompile=False)

    def state(self):  # a dense kernel is (out, in) here; .T leaves vectors as they are
        return {name: values(getattr(part, attribute)).T for name, (part, attribute, _) in self.places.items()}

    def set(self, given):
        for name, value in given.items():
            part, attribute, _ = self.places[name]
            target = getattr(part, attribute)
            getattr(target, "array", target)[...] = DEVICE.send(value.T)

    def forward(self, x, training, through="model"):
        with chainer.using_config("train", training):
            return self.parts[through](send(x))

    def train(self, x, through="model"):
        return receive(self.forward(x, True, through))

    def predict(self, x, through="model"):
        with chainer.no_backprop_mode():
            return receive(self.forward(x, False, through))

    def call(self, x, training, through="model"):
        return receive(self.parts[through](send(x)) if training is None else self.forward(x, training, through))

    def loss(self, x, targets, training, through="model"):
        return functions.mean_squared_error(self.forward(x, training, through), send(targets))

    def evaluate(self, x, targets, loss, through="model"):
        with chainer.no_backprop_mode():
            return values(self.loss(x, targets, False, through))

    def fit(self, x, targets, loss, optimizer, epochs, batch_size, validation=None, validation_targets=None):
        if loss != "mse":
            raise Unsupported("this adapter has no loss " + loss)
        if self.optimizer is None:
            self.optimizer = make_optimizer(**optimizer).setup(self.link)
            if self.variant != "disabled_before_setup":
                for of, trainable in self.told:  # setup() makes new update rules, and disable_update() is about those
                    self.switch(of, trainable)
        for _ in range(epochs):
            for start in range(0, len(x), batch_size):
                batch = slice(start, start + batch_size)
                error = self.loss(x[batch], targets[batch], True)
                self.link.cleargrads()
                error.backward()
                self.optimizer.update()
            if validation is not None:
                self.evaluate(validation, validation_targets, loss)

    def freeze(self, of, recompile):
        self.set_trainable(of, False, recompile)

    def unfreeze(self, of, recompile):
        self.set_trainable(of, True, recompile)

    def set_trainable(self, of, trainable, recompile):
        self.told.append((of, trainable))
        if recompile:  # nothing is compiled here: to begin anew is to make a new optimizer
            self.optimizer = None
        self.switch(of, trainable)

    def switch(self, of, trainable):
        part = self.parts[of]
        part.enable_update() if trainable else part.disable_update()
        for link in part.links():
            if isinstance(link, Freezable):
                link.frozen = not trainable

    def save(self, path):
        serializers.save_npz(path + ".npz", self.link)

    def restore(self, path, omit=()):
        omitted = [self.places[name][2] for name in omit]
        with np.load(path + ".npz") as file:  # as load_npz does, but for the omitted
            saved = {key: file[key] for key in file.files if key not in omitted}
        serializers.NpzDeserializer(saved, strict=self.variant != "nonstrict").load(self.link)


class Layer(Model):
    def __init__(self, layer, mode, workdir):
        super().__init__(batch_norm(layer, mode), [("", layer)], mode)

    def backward(self, x, upstream, training):
        inputs = chainer.Variable(send(x))
        with chainer.using_config("train", chainer.config.train if training is None else training):
            output = self.link(inputs)
        self.link.cleargrads()
        output.grad = send(upstream)
        output.backward()
        gradients = {"output": receive(output), "input_gradient": receive(inputs.grad)}
        frozen = self.told and not self.told[-1][1]
        for name, parameter in (
            () if frozen else self.link.namedparams()
        ):  # a frozen one's are there, but nobody uses them
            gradients[name[1:] + "_gradient"] = values(parameter.grad)
        return gradients


class Network(Model):
    def __init__(self, network, mode, workdir):
        super().__init__(Stack(network, mode, {}), list(flat(network)), mode)


def flat(network):
    """The entries of a network and of those in it, by name."""
    for entry in network:
        if entry["kind"] in ("batch_norm", "dense"):
            yield entry["name"], entry
        yield from flat(entry.get("layers", ()))
