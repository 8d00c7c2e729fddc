"""The ONNX operator BatchNormalization, by opset, on onnx's reference evaluator, on onnxruntime and on openvino.

The operator keeps nothing. Gamma, beta and the moving statistics are held here and handed in as its inputs, and after a
training pass its running outputs take the place of the statistics, as in a training loop around an ONNX graph. Where a
case gives none they start at 1, 0, 0 and 1; ONNX has no initial values, no gradient, and nothing to freeze.

RUNTIME-OPSET:  all variables are inputs of the graph; before opset 14, having five outputs is what makes a node train
…-unoptimised:  the same without the runtime's optimisations of the graph
…-constants:    all variables are initializers, as exporters write them, and a training pass is two: its output is that
                of a graph that makes no use of the running outputs, and another graph gives the statistics
"""

import functools
import importlib
import importlib.util

import numpy as np
import onnx
from onnx import helper, numpy_helper

STARTS = {"gamma": 1, "beta": 0, "moving_mean": 0, "moving_variance": 1}  # in the order of the operator's inputs
ACTIVATIONS = {"tanh": "Tanh", "relu": "Relu", "sigmoid": "Sigmoid"}
MODES = {  # by the module that they need
    "onnx": ["reference-15", "reference-14", "reference-9"],
    "onnxruntime": ["ort-15", "ort-14", "ort-9", "ort-7", "ort-15-unoptimised", "ort-15-constants"],
    "openvino": ["openvino-15", "openvino-14", "openvino-9", "openvino-7", "openvino-15-constants"],
}
KNOBS = {  # undocumented, as observed
    "openvino": {"empty_batch": "zeros"},
    "reference-14": {"arithmetic": "layer"},
}
CORE = "NORM-1 NORM-4 UPDATE-1 UPDATE-2 NUM-2 STRUCT-2 BATCH-1 BATCH-2 DTYPE-1 DTYPE-2 DTYPE-3 export".split()


class Unsupported(Exception):
    """ONNX has no such thing."""


def describe():
    runtimes = [importlib.import_module(name) for name in MODES if importlib.util.find_spec(name)]
    modes = [mode for runtime in runtimes for mode in MODES[runtime.__name__]]
    return {
        "framework": "onnx",
        "version": onnx.__version__,
        "backend": ", ".join(f"{runtime.__name__} {runtime.__version__.partition('-')[0]}" for runtime in runtimes[1:]),
        "modes": {mode: KNOBS.get(mode, KNOBS.get(mode.partition("-")[0], {})) for mode in modes},
        # the evaluator's version 9 has the one output of inference, so that there is nothing else to observe
        "about": {mode: ["NORM-4"] if mode == "reference-9" else CORE for mode in modes if not mode.endswith("-15")},
        "dialect": {
            # "training_mode=False, default" and "ReduceVar refers to the population variance":
            # https://onnx.ai/onnx/operators/onnx__BatchNormalization
            "variance": "population",
            "bare_call": "infers",
            # one type for all inputs, as the operator had it before version 14; computed in float as version 15 has it
            "state_dtype": "layer",
            "arithmetic": "float32",
            # undocumented, as observed: the mean of nothing is 0 / 0
            "empty_batch": "nan",
            # undocumented, as observed: onnx.checker refuses a graph with a name that nothing gives
            "missing_statistics": "refused",
        },
    }


@functools.lru_cache(maxsize=32)
def compiled(runtime, optimised, model):
    """A function from the inputs of a serialized model to its outputs."""
    if runtime == "reference":
        from onnx.reference import ReferenceEvaluator

        evaluator = ReferenceEvaluator(onnx.load_from_string(model))
        return lambda inputs: evaluator.run(None, inputs)
    if runtime == "ort":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        if not optimised:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return lambda inputs: session.run(None, inputs)
    return with_openvino(model)


@functools.lru_cache(maxsize=1)
def openvino_core():
    import openvino

    return openvino.Core()


def with_openvino(model):
    import openvino

    core = openvino_core()
    network = core.compile_model(core.read_model(model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(inputs):
        dtype = inputs["X"].dtype
        if dtype.name == "bfloat16":  # which its Python side takes and gives as the memory of float16
            kind = openvino.Type.bf16
            inputs = {name: openvino.Tensor(x.view(np.float16), x.shape, kind) for name, x in inputs.items()}
        return [y.view(dtype) for y in network(inputs).values()]

    return run


def start(entry):
    """What a graph's entry starts with: {name: array}, in the order of its operator's inputs."""
    if entry["kind"] == "activation":
        return {}
    if entry["kind"] == "dense":
        bias = {"bias": np.zeros(entry["units"])} if entry["use_bias"] else {}
        return dict(kernel=np.zeros((entry["inputs"], entry["units"])), **bias)
    if entry["kind"] != "batch_norm":
        raise Unsupported(f"this adapter makes no node of the kind {entry['kind']}")
    if not (entry["scale"] and entry["center"] and entry["track"]):
        raise Unsupported("scale, B, mean and var are required inputs of the operator")
    if entry["training"] is not None:
        raise Unsupported("a node's training mode is fixed, and no run can be told another")
    if not entry["trainable"]:
        raise Unsupported("the operator has no trainable flag")
    return {name: np.full(entry["features"], value) for name, value in STARTS.items()}


class Network:
    """A graph of batch normalisations, dense layers and activations, and the variables that it is given."""

    def __init__(self, network, mode, workdir):
        self.runtime, opset, *variant = mode.split("-")
        self.opset, self.optimised, self.constants = int(opset), variant != ["unoptimised"], variant == ["constants"]
        self.entries, self.variables = network, {}
        try:
            self.dtype = np.dtype(network[0].get("dtype", "float32"))
        except TypeError:
            raise Unsupported("this version of onnx has not made bfloat16 known to NumPy")
        if self.runtime == "ort" and self.dtype.name == "bfloat16":
            # https://github.com/microsoft/onnxruntime/blob/main/docs/OperatorKernels.md
            raise Unsupported("onnxruntime has no BatchNormalization of bfloat16 on CPU")
        for entry in network:
            values = dict(start(entry), **entry["variables"])
            self.set({self.quantity(entry, name): value for name, value in values.items()})

    def quantity(self, entry, name):
        return f"{entry['name']}.{name}"

    def state(self):
        return dict(self.variables)

    def set(self, values):
        self.variables.update((name, value.astype(self.dtype)) for name, value in values.items())

    def node(self, entry, x, training):
        y, variables = entry["name"], [self.quantity(entry, name) for name in start(entry)]
        if entry["kind"] == "activation":
            return helper.make_node(ACTIVATIONS[entry["function"]], [x], [y])
        if entry["kind"] == "dense":
            return helper.make_node("Gemm", [x, *variables], [y])
        outputs, flag = [y], {}
        if training:
            outputs += ["running." + name for name in variables[2:]]
            outputs += ["saved." + name for name in variables[2:]] if self.opset < 14 else []
        if self.opset >= 14 and training is not None:
            flag["training_mode"] = int(training)
        settings = {"epsilon": entry["epsilon"], "momentum": entry["momentum"]}
        return helper.make_node("BatchNormalization", [x, *variables], outputs, **settings, **flag)

    def model(self, outputs, training, rank, constants):
        kind = helper.np_dtype_to_tensor_dtype(self.dtype)
        tensor = functools.partial(helper.make_tensor_value_info, elem_type=kind)
        channels = self.entries[0].get("features") or self.entries[0]["inputs"]
        inputs, initializers = [tensor("X", shape=["N", channels, *"DHW"[: rank - 2]])], []
        if constants:
            initializers = [numpy_helper.from_array(value, name) for name, value in self.variables.items()]
        else:
            inputs += [tensor(name, shape=value.shape) for name, value in self.variables.items()]
        results = [tensor(name, shape=[None] * (1 if name.startswith("running.") else rank)) for name in outputs]
        names = ["X", *(entry["name"] for entry in self.entries)]
        nodes = [self.node(entry, x, training) for entry, x in zip(self.entries, names)]
        graph = helper.make_graph(nodes, "graph", inputs, results, initializers)
        version = min(10, onnx.IR_VERSION)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=version)

    def run(self, x, training, outputs):
        model = self.model(outputs, training, x.ndim, self.constants).SerializeToString()
        inputs = {"X": x} if self.constants else dict(self.variables, X=x)
        return compiled(self.runtime, self.optimised, model)(inputs)

    def call(self, x, training=None):
        x, outputs, statistics = self.channels_second(x), [self.entries[-1]["name"]], []
        if training:
            statistics = [name for name in self.variables if name.endswith(("moving_mean", "moving_variance"))]
        running = ["running." + name for name in statistics]
        separate = [outputs, running] if training and self.constants else [outputs + running]
        y, *values = [value for names in separate for value in self.run(x, training, names)]
        self.variables.update(zip(statistics, values))
        return np.moveaxis(y, 1, -1)

    def channels_second(self, x):
        return np.ascontiguousarray(np.moveaxis(x, -1, 1), self.dtype)

    def train(self, x):
        return self.call(x, training=True)

    def predict(self, x, exported=None):
        if exported is None:
            return self.call(x, training=False)
        model = onnx.load(exported + ".onnx").SerializeToString()
        return np.moveaxis(compiled(self.runtime, self.optimised, model)({"X": self.channels_second(x)})[0], 1, -1)

    def save(self, path):
        """The model as it infers, with its variables as initializers."""
        rank = len(self.entries[0].get("shape", [None])) + 1
        onnx.save(self.model([self.entries[-1]["name"]], False, rank, constants=True), path + ".onnx")

    export = save

    def restore(self, path, omit=()):
        model = onnx.load(path + ".onnx")
        shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
        if any(shapes[name] != value.shape for name, value in self.variables.items()):
            raise Unsupported("a model comes with its file: there is none of another width to load the file into")
        for tensor in [tensor for tensor in model.graph.initializer if tensor.name in omit]:
            model.graph.initializer.remove(tensor)
        onnx.checker.check_model(model)
        self.set({tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer})


class Layer(Network):
    def __init__(self, layer, mode, workdir):
        super().__init__([dict(layer, kind="batch_norm", name="Y")], mode, workdir)

    def quantity(self, entry, name):
        return name
