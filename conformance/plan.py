"""A case -> what an adapter may see of it: settings, data, steps. Never an expected value."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.case import Case
from conformance.fields import Floats
from conformance.layers import BatchNorm, BatchNormEntry, DenseEntry
from conformance.steps import PASSES, Fit, Flagging, Restore, Save, Set, Step
from conformance.wire import encode


def request(case: Case) -> dict[str, Any]:
    """The line of JSON that the host reads, as a dictionary."""
    return {
        "id": case.id,
        **subject(case),
        "data": {name: encode(array) for name, array in case.data.items()},
        "steps": [instruction(step) for step in case.text.steps],
    }


def sample_shape(case: Case) -> list[int | None]:
    """The shape of one sample over all passes of a case, None for a length that varies."""
    names = [getattr(step, step.verb) for step in case.text.steps if step.verb in PASSES]
    shapes = [case.data[name].shape[1:] for name in names] or [(features(case),)]
    return [sizes[0] if len(set(sizes)) == 1 else None for sizes in zip(*shapes, strict=False)]


def features(case: Case) -> int:
    """The number of features of the first layer."""
    if case.text.layer is not None:
        return case.text.layer.features
    first = (case.text.network or [])[0]
    return first.batch_norm.features if isinstance(first, BatchNormEntry) else 0


def subject(case: Case) -> dict[str, Any]:
    """`layer` or `network` with all its settings."""
    shape = sample_shape(case)
    if case.text.layer is not None:
        return {"layer": layer(case.text.layer, shape)}
    entries: list[dict[str, Any]] = []
    for index, entry in enumerate(case.text.network or ()):
        if isinstance(entry, DenseEntry):
            kernel, bias = entry.dense.kernel, entry.dense.bias
            shape = [*shape[:-1], kernel.shape[1]]
            entries.append(
                {
                    "kind": "dense",
                    "name": entry.dense.name,
                    "inputs": kernel.shape[0],
                    "units": kernel.shape[1],
                    "use_bias": bias is not None,
                    "variables": variables({"kernel": kernel} | ({} if bias is None else {"bias": bias})),
                }
            )
        elif isinstance(entry, BatchNormEntry):
            norm = entry.batch_norm
            entries.append({"kind": "batch_norm", "name": norm.name, **layer(norm, shape)})
        else:
            name = f"activation_{index}"
            entries.append({"kind": "activation", "name": name, "function": entry.activation, "variables": {}})
    return {"network": entries}


def layer(norm: BatchNorm, shape: list[int | None]) -> dict[str, Any]:
    """The settings of one batch normalisation."""
    settings = ("features", "momentum", "epsilon", "trainable", "training", "center", "scale")
    return {
        **{name: getattr(norm, name) for name in settings},
        "dtype": "float32",
        "shape": shape,
        "variables": variables(norm.variables),
    }


def variables(values: dict[str, Floats]) -> dict[str, list[Any]]:
    """Variables as float32 arrays."""
    return {name: encode(value.astype(np.float32)) for name, value in values.items()}


def instruction(step: Step) -> dict[str, Any]:
    """One step: its verb and arguments."""
    verb: dict[str, Any] = {"verb": step.verb}
    if isinstance(step, Save):
        return verb | {"name": step.save}
    if isinstance(step, Restore):
        return verb | {"name": step.restore, "into": step.into, "omit": step.omit}
    if isinstance(step, Set):
        return verb | {"values": variables(step.set)}
    options = step.options
    passed = options.pop(step.verb)
    if isinstance(passed, Flagging):
        return verb | passed.model_dump()
    if options.get("mask", "") is None:
        del options["mask"]
    if isinstance(step, Fit):
        options["optimizer"] = optimizer(step)
    return verb | {"data": passed} | options


def optimizer(step: Fit) -> dict[str, Any]:
    """An optimizer by name, with its settings."""
    ((name, settings),) = step.optimizer.model_dump().items()
    return {"name": name, **settings}
