"""Drives tf.layers.batch_normalization in a graph with a session: TensorFlow 1, or tf.compat.v1 of TensorFlow 2.

Where Keras 3 is installed beside TensorFlow 2.16 or newer, it wants tf-keras and TF_USE_LEGACY_KERAS=1.

update_ops:       a placeholder says whether to train, and training runs tf.GraphKeys.UPDATE_OPS, as is documented
no_update_ops:    training forgets to run them, so that the statistics never move
python_flags:     training=True and training=False are two calls that share variables by name and reuse
saver_trainable:  the Saver is given the trainable variables only, so that the statistics are in no checkpoint
contrib:          like update_ops, with tf.contrib.layers.batch_norm, which TensorFlow 2 does not have
"""

import inspect

import tensorflow as tf

if int(tf.__version__.split(".")[0]) >= 2:
    tf = tf.compat.v1
    tf.disable_v2_behavior()

READS = ("$KERAS_HOME/keras.json", "$HOME/.keras/keras.json")


class Unsupported(Exception):
    """tf.layers has no such thing."""


def describe():
    return {
        "framework": "tensorflow",
        "version": tf.__version__,
        "modes": dict(
            {"update_ops": {}, "no_update_ops": {}, "python_flags": {}, "saver_trainable": {}},
            **({"contrib": contrib()} if hasattr(tf, "contrib") else {}),
        ),
        "about": {
            "no_update_ops": ["UPDATE-5"],
            "python_flags": ["UPDATE-3", "MODE-1", "MODE-2", "MODE-5", "FREEZE-6", "AXES-1", "STRUCT-1"],
            "saver_trainable": ["RESTORE-1"],
        },
        "dialect": {
            # undocumented, as observed
            "variance": "population",
            "variance_algorithm": "two_pass",
            "one_value_per_channel": "computes",
            "empty_batch": "nan",
            # the layer is that of Keras 2, which raises 16 bits to 32 and leaves float64 what it is:
            # https://github.com/keras-team/tf-keras/blob/6add81a/tf_keras/layers/normalization/batch_normalization.py
            "state_dtype": "wider",
            # no start-up rule is documented, and training=False is the default:
            # https://tensorflow.org/versions/r2.5/api_docs/python/tf/compat/v1/layers/batch_normalization
            "startup": "none",
            "bare_call": "infers",
            # it says of 1.* that a frozen layer does not switch to inference, but that its updates are not run
            # https://github.com/tensorflow/tensorflow/blob/r2.0/tensorflow/python/keras/layers/normalization_v2.py
            "frozen_training_call": "batch_statistics",
            # undocumented, as observed: a flag is an argument of the function that adds the layer to the graph
            "baked_training": "kept",
            # reported, not documented: https://github.com/lspvic/copynet/issues/7
            "missing_statistics": "refused",
            # https://www.w3cschool.cn/doc_tensorflow_python/tensorflow_python-tf-train-adamoptimizer.html
            "adam_epsilon": "uncorrected",
        },
    }


def contrib():
    """Undocumented, as observed, but for is_training=True, which is the default; later versions fuse by default."""
    fuses = inspect.signature(tf.contrib.layers.batch_norm).parameters["fused"].default is None
    fused = {"variance": "sample", "single_value_variance": "population"} if fuses else {}
    return dict({"bare_call": "trains", "frozen_training_call": "trains"}, **fused)


def use(device):
    tf.device(device).__enter__()  # for good: nothing else in TensorFlow sets a device


def batch_norm(x, entry, training, reuse, mode):
    if not entry.get("track", True):
        raise Unsupported("a layer without moving statistics is not there")
    flag = training if entry["training"] is None else entry["training"]
    settings = {name: entry[name] for name in ("epsilon", "center", "scale", "trainable")}
    if mode == "contrib":
        given = {} if flag is None else {"is_training": flag}
        return tf.contrib.layers.batch_norm(
            x, decay=entry["momentum"], scope=entry["name"], reuse=reuse, **dict(settings, **given)
        )
    given = {} if flag is None else {"training": flag}
    return tf.layers.batch_normalization(
        x, momentum=entry["momentum"], name=entry["name"], reuse=reuse, **dict(settings, **given)
    )


def dense(x, entry, reuse):
    return tf.layers.dense(
        x,
        entry["units"],
        use_bias=entry["use_bias"],
        kernel_initializer=tf.zeros_initializer(),
        name=entry["name"],
        reuse=reuse,
    )


def stack(x, entries, training, reuse, met, mode):
    """Adds the layers to the graph; `met` are the entries so far by name, which `again` refers to."""
    for entry in entries:
        kind, again = entry["kind"], entry["kind"] == "again"
        if again:
            entry = met[entry["name"]]
            kind = entry["kind"]
        met[entry["name"]] = entry
        if kind == "model":
            x = stack(x, entry["layers"], training, reuse or again, met, mode)
        elif kind == "batch_norm":
            x = batch_norm(x, entry, training, reuse or again, mode)
        elif kind == "dense":
            x = dense(x, entry, reuse or again)
        else:
            x = getattr(tf.nn, entry["function"])(x)
    return x


def flattened(entries):
    for entry in entries:
        yield entry
        for inner in flattened(entry.get("layers", [])):
            yield inner


def sample_shape(entries):
    first = next(entry for entry in flattened(entries) if entry["kind"] in ("batch_norm", "dense"))
    return list(first.get("shape") or [first["inputs"] if first["kind"] == "dense" else first["features"]])


class Branch:
    """Layers on a placeholder of their own: `output`, and the `updates` that belong to it."""

    def __init__(self, entries, dtype, training, reuse, mode):
        others = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
        self.x = tf.placeholder(dtype, [None] + sample_shape(entries))
        self.output = stack(self.x, entries, training, reuse, {}, mode)
        self.updates = [op for op in tf.get_collection(tf.GraphKeys.UPDATE_OPS) if op not in others]
        self.targets = tf.placeholder(dtype, self.output.shape)
        self.loss = tf.reduce_mean(tf.square(self.output - self.targets))


class Network:
    """Layers by name in a graph; further branches of it share their variables."""

    def __init__(self, network, mode, workdir):
        self.build(network, mode, "float32")

    def build(self, entries, mode, dtype):
        self.driven, self.dtype, self.graph, self.branches, self.train_ops = mode, dtype, tf.Graph(), {}, {}
        self.parts = {entry["name"]: entry["layers"] for entry in flattened(entries) if entry["kind"] == "model"}
        self.parts[None] = entries
        with self.graph.as_default():
            self.training = tf.placeholder_with_default(False, [])
            self.branch(None, False)
            self.variables = {self.quantity(*v.op.name.split("/")[-2:]): v for v in tf.global_variables()}
            self.saver = tf.train.Saver(tf.trainable_variables() if mode == "saver_trainable" else None)
            self.session = tf.Session()
            self.session.run(tf.global_variables_initializer())
        for entry in flattened(entries):
            self.set({self.quantity(entry["name"], name): value for name, value in entry["variables"].items()})

    def quantity(self, layer, name):
        return layer + "." + name

    def branch(self, through, training):
        """Where `training` is fed, or is None and not given, or the mode makes a branch for each of its values."""
        flag = training if training is None or self.driven == "python_flags" else self.training
        key = through, str(flag)
        if key not in self.branches:
            if through not in self.parts:
                raise Unsupported("there is no model " + through)
            with self.graph.as_default():
                self.branches[key] = Branch(self.parts[through], self.dtype, flag, bool(self.branches), self.driven)
        return self.branches[key]

    def run(self, fetches, training, feed):
        if training is not None:
            feed = {**feed, self.training: training}
        return self.session.run(fetches, feed)

    def updates(self, branch, training):
        trains = training or (training is None and self.driven == "contrib")
        return branch.updates if trains and self.driven != "no_update_ops" else []

    def call(self, x, training=None, through=None):
        branch = self.branch(through, training)
        return self.run([branch.output, self.updates(branch, training)], training, {branch.x: x})[0]

    def train(self, x, through=None):
        return self.call(x, True, through)

    def predict(self, x, through=None):
        return self.call(x, False, through)

    def evaluate(self, x, targets, loss, through=None):
        branch = self.branch(through, False)
        return self.run(branch.loss, False, {branch.x: x, branch.targets: targets})

    def fit(
        self, x, targets, loss, optimizer, epochs, batch_size, validation=None, validation_targets=None, through=None
    ):
        if loss != "mse":
            raise Unsupported("this adapter has no loss " + loss)
        branch = self.branch(through, True)
        train_op = self.train_op(through, branch, optimizer)
        for _ in range(epochs):
            for start in range(0, len(x), batch_size):
                batch = slice(start, start + batch_size)
                self.run(train_op, True, {branch.x: x[batch], branch.targets: targets[batch]})
            if validation is not None:
                self.evaluate(validation, validation_targets, loss, through)

    def train_op(self, through, branch, optimizer):
        """One step of an optimizer, which waits for the updates of the moving statistics."""
        key = through, str(sorted(optimizer.items()))
        if key not in self.train_ops:
            with self.graph.as_default():
                there = tf.global_variables()
                with tf.control_dependencies(self.updates(branch, training=True)):
                    self.train_ops[key] = make_optimizer(**optimizer).minimize(branch.loss)
                self.session.run(tf.variables_initializer([v for v in tf.global_variables() if v not in there]))
        return self.train_ops[key]

    def state(self):
        return self.session.run(self.variables)

    def set(self, values):
        for name, value in values.items():
            self.variables[name].load(value, self.session)

    def save(self, path):
        self.saver.save(self.session, path + ".ckpt", write_meta_graph=False)

    def restore(self, path, omit=()):
        path += ".ckpt"
        self.saver.restore(self.session, without([self.variables[name].op.name for name in omit], path))


class Layer(Network):
    """One batch normalisation, and its gradients."""

    def __init__(self, layer, mode, workdir):
        self.build([dict(layer, kind="batch_norm", name="layer")], mode, layer["dtype"])
        self.trainable = layer["trainable"]

    def quantity(self, layer, name):
        return name

    def backward(self, x, upstream, training):
        branch = self.branch(None, training)
        names = [name for name in ("gamma", "beta") if name in self.variables and self.trainable]
        with self.graph.as_default():
            by = [branch.x] + [self.variables[name] for name in names]
            gradients = tf.gradients(branch.output, by, tf.constant(upstream))
        fetches = dict(zip([name + "_gradient" for name in ["input"] + names], gradients), output=branch.output)
        return self.run([fetches, self.updates(branch, training)], training, {branch.x: x})[0]


def make_optimizer(name, learning_rate, beta_1=None, beta_2=None, epsilon=None):
    if name == "sgd":
        return tf.train.GradientDescentOptimizer(learning_rate)
    if name == "adam":
        return tf.train.AdamOptimizer(learning_rate, beta_1, beta_2, epsilon)
    raise Unsupported("this adapter has no optimizer " + name)


def without(omit, path):
    """A checkpoint of the same values without some of them."""
    if not omit:
        return path
    reader = tf.train.NewCheckpointReader(path)
    with tf.Graph().as_default(), tf.Session() as session:
        for name in reader.get_variable_to_shape_map():
            if name not in omit:
                tf.Variable(reader.get_tensor(name), name=name)
        session.run(tf.global_variables_initializer())
        return tf.train.Saver().save(session, path + "-lacking", write_meta_graph=False)
