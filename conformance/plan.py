"""A case -> what an adapter may see of it: settings, data, steps. Never an expected value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from conformance.case import Case
from conformance.dtypes import cast
from conformance.fields import Floats
from conformance.layers import AgainEntry, BatchNorm, BatchNormEntry, DenseEntry, Entry, ModelEntry, flat
from conformance.steps import PASSES, Export, Fit, Flagging, Moding, Restore, Save, Set, Step
from conformance.wire import encode


def request(case: Case) -> dict[str, Any]:
    """The line of JSON that the host reads, as a dictionary."""
    return {
        "id": case.id,
        **subject(case),
        "data": {name: encode(array, case.text.dtype) for name, array in case.data.items()},
        "steps": [instruction(step, case.text.dtype) for step in case.text.steps],
    }


def sample_shape(case: Case) -> list[int | None]:
    """The shape of one sample over all passes through the whole model, None for a length that varies."""
    passes = [step for step in case.text.steps if step.verb in PASSES and getattr(step, "through", None) is None]
    shapes = [case.data[getattr(step, step.verb)].shape[1:-1] for step in passes] or [()]
    lengths = [sizes[0] if len(set(sizes)) == 1 else None for sizes in zip(*shapes, strict=False)]
    return [*lengths, features(case)]


def features(case: Case) -> int:
    """The number of features of the first layer."""
    if case.text.layer is not None:
        return case.text.layer.features
    first = next(flat(case.text.network or ()))
    if isinstance(first, DenseEntry):
        return int(first.dense.kernel.shape[0])
    return first.batch_norm.features if isinstance(first, BatchNormEntry) else 0


def subject(case: Case) -> dict[str, Any]:
    """`layer` or `network` with all its settings."""
    shape = sample_shape(case)
    if case.text.layer is not None:
        return {"layer": layer(case.text.layer, shape)}
    return {"network": list(entries(case.text.network or (), shape))}


def entries(network: Iterable[Entry], shape: list[int | None], within: str = "") -> Iterator[dict[str, Any]]:
    """The layers of a network; `shape` is that of a sample, and its width follows the dense layers."""
    for index, entry in enumerate(network):
        if isinstance(entry, DenseEntry):
            dense = entry.dense
            shape[-1] = dense.kernel.shape[1]
            yield {
                "kind": "dense",
                "name": dense.name,
                "inputs": dense.kernel.shape[0],
                "units": dense.kernel.shape[1],
                "use_bias": dense.bias is not None,
                "variables": variables({name: getattr(dense, name) for name in dense.quantities}),
            }
        elif isinstance(entry, BatchNormEntry):
            yield {"kind": "batch_norm", "name": entry.batch_norm.name, **layer(entry.batch_norm, [*shape])}
        elif isinstance(entry, ModelEntry):
            layers = list(entries(entry.model.layers, shape, f"{entry.model.name}_"))
            yield {"kind": "model", "name": entry.model.name, "layers": layers, "variables": {}}
        elif isinstance(entry, AgainEntry):
            yield {"kind": "again", "name": entry.again, "variables": {}}
        else:
            name = f"{within}activation_{index}"
            yield {"kind": "activation", "name": name, "function": entry.activation, "variables": {}}


def layer(norm: BatchNorm, shape: list[int | None]) -> dict[str, Any]:
    """The settings of one batch normalisation."""
    settings = ("features", "momentum", "epsilon", "trainable", "training", "center", "scale", "track", "dtype")
    return {
        **{name: getattr(norm, name) for name in settings},
        "shape": shape,
        "variables": variables(norm.variables, norm.dtype),
    }


def variables(values: dict[str, Floats], dtype: str = "float32") -> dict[str, list[Any]]:
    """Variables as arrays of the layer's type."""
    return {name: encode(cast(value, dtype), dtype) for name, value in values.items()}


def instruction(step: Step, dtype: str = "float32") -> dict[str, Any]:
    """One step: its verb and arguments."""
    verb: dict[str, Any] = {"verb": step.verb}
    if isinstance(step, (Save, Export)):
        return verb | {"name": getattr(step, step.verb)}
    if isinstance(step, Restore):
        changes = {"omit": step.omit, "settings": step.settings.model_dump(exclude_none=True)}
        given = {name: value for name, value in changes.items() if value}
        return verb | {"name": step.restore, "into": step.into} | given
    if isinstance(step, Set):
        return verb | {"values": variables(step.set, dtype)}
    options = step.options
    passed = options.pop(step.verb)
    if isinstance(passed, (Flagging, Moding)):
        return verb | passed.model_dump()
    options = {name: value for name, value in options.items() if value is not None or name == "training"}
    if isinstance(step, Fit):
        options["optimizer"] = optimizer(step)
    return verb | {"data": passed} | options


def optimizer(step: Fit) -> dict[str, Any]:
    """An optimizer by name, with its settings."""
    ((name, settings),) = step.optimizer.model_dump().items()
    return {"name": name, **settings}
