"""Whether the parts of a case fit together: its data, and its layer or network; `check_steps.py` has the steps."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.case import Product, Text
from conformance.check_steps import Found, Path, no_data, outputs, steps
from conformance.data import shape_of
from conformance.effort import too_much
from conformance.layers import (
    AgainEntry,
    BatchNorm,
    BatchNormEntry,
    Dense,
    DenseEntry,
    Entry,
    ModelEntry,
    flat,
)


def problems(text: Text) -> Iterator[Found]:
    """Everything that does not fit, as (path into the file, message). Later checks need the earlier ones to pass."""
    for checks in (_data(text), too_much(text), _subject(text), steps(text)):
        found = list(checks)
        yield from found
        if found:
            return


def _data(text: Text) -> Iterator[Found]:
    for name, value in text.data.items():
        shape = shape_of(value, text.data)
        if isinstance(value, Product) and value.dot not in text.data:
            yield ("data", name, "dot"), no_data(value.dot, text)
        elif isinstance(value, Product) and (
            isinstance(text.data[value.dot], Product)
            or not shape
            or shape_of(text.data[value.dot], text.data)[-1:] != value.weights.shape[:1]
        ):
            yield ("data", name), "`weights` must be a matrix with a row for each column of a literal or drawn `dot`"
        elif not 1 <= len(shape) <= 5:
            yield ("data", name), f"data has 1 to 5 axes (N, …, C); here are {len(shape)}"


def _subject(text: Text) -> Iterator[Found]:
    if text.layer is not None:
        yield from _layer(text.layer, ("layer",))
        return
    yield from _network(text.network or [], ("network",), {}, 0)
    if not any(isinstance(entry, BatchNormEntry) for entry in flat(text.network or ())):
        yield ("network",), "a network has at least one batch_norm"


def _network(entries: list[Entry], at: Path, names: dict[str, int], width: int) -> Iterator[Found]:
    """The entries of a model; `names` collects each part's width, and `width` is what comes in, 0 for unknown."""
    for index, entry in enumerate(entries):
        here: Path = (*at, index)
        if isinstance(entry, ModelEntry):
            yield from _taken(entry.model.name, (*here, "model", "name"), names)
            yield from _network(entry.model.layers, (*here, "model", "layers"), names, width)
            width = names[entry.model.name] = outputs(entry.model.layers, width)
        elif isinstance(entry, AgainEntry):
            yield from _again(entry, here, names, width)
        elif isinstance(entry, (DenseEntry, BatchNormEntry)):
            yield from _part(entry, here, names, width)
            width = outputs([entry], width)


def _part(entry: DenseEntry | BatchNormEntry, here: Path, names: dict[str, int], width: int) -> Iterator[Found]:
    part = entry.dense if isinstance(entry, DenseEntry) else entry.batch_norm
    at: Path = (*here, "dense" if isinstance(part, Dense) else "batch_norm")
    yield from _taken(part.name, (*at, "name"), names)
    yield from _dense(part, at) if isinstance(part, Dense) else _layer(part, at)
    inputs = (part.kernel.shape or (0,))[0] if isinstance(part, Dense) else part.features
    if width and inputs != width:
        yield at, f"takes {inputs} features, but what stands before it gives {width}"
    names[part.name] = 0 if isinstance(part, Dense) else part.features
    if isinstance(part, BatchNorm) and part.dtype != "float32":
        yield (*at, "dtype"), "a network is float32; another type is for a single `layer`"


def _taken(name: str, at: Path, names: dict[str, int]) -> Iterator[Found]:
    if name in (*names, "layer", "model"):
        yield at, f"the name {name!r} is taken; every entry has its own, and none is `layer` or `model`"
    names.setdefault(name, 0)


def _again(entry: AgainEntry, here: Path, names: dict[str, int], width: int) -> Iterator[Found]:
    before = [name for name, features in names.items() if features]
    if entry.again not in before:
        yield (*here, "again"), f"no batch_norm {entry.again!r} stands before this; there is {', '.join(before)}"
    elif width and names[entry.again] != width:
        yield here, f"takes {names[entry.again]} features, but what stands before it gives {width}"


def _dense(part: Dense, at: Path) -> Iterator[Found]:
    if part.kernel.ndim != 2:
        yield (*at, "kernel"), "a kernel is a matrix (inputs, outputs)"
    elif part.bias is not None and part.bias.shape != part.kernel.shape[1:]:
        yield (*at, "bias"), f"bias must have {part.kernel.shape[1]} numbers, one for each output"


def _layer(layer: BatchNorm, at: Path) -> Iterator[Found]:
    for name, value in layer.variables.items():
        if name not in layer.quantities:
            yield (*at, name), f"the layer has no {name}: {'scale' if name == 'gamma' else 'center'} is false"
        elif value.shape != (layer.features,):
            yield (*at, name), f"{name} must have {layer.features} numbers, one for each feature"
