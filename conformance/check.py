"""Whether the parts of a case fit together: names that exist, shapes that agree, knobs that are knobs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from conformance.case import Product, Text
from conformance.data import shape_of
from conformance.dialect import STANDARD
from conformance.layers import BatchNorm, BatchNormEntry, Dense, DenseEntry
from conformance.steps import PASSES, Backward, Expectation, Flagging, Otherwise, Restore, Save, Set, Step

Shape = tuple[int, ...]
Found = tuple[tuple[str | int, ...], str]
GRADIENTS = ("input_gradient", "gamma_gradient", "beta_gradient")


def problems(text: Text) -> Iterator[Found]:
    """Everything that does not fit, as (path into the file, message). Later checks need the earlier ones to pass."""
    for checks in (_data(text), _subject(text), _steps(text)):
        found = list(checks)
        yield from found
        if found:
            return


def _data(text: Text) -> Iterator[Found]:
    for name, value in text.data.items():
        shape = shape_of(value, text.data)
        if isinstance(value, Product) and value.dot not in text.data:
            yield ("data", name, "dot"), _no_data(value.dot, text)
        elif isinstance(value, Product) and (
            isinstance(text.data[value.dot], Product)
            or not shape
            or shape_of(text.data[value.dot], text.data)[-1:] != value.weights.shape[:1]
        ):
            yield ("data", name), "`weights` must be a matrix with a row for each column of a literal or drawn `dot`"
        elif not 1 <= len(shape) <= 5:
            yield ("data", name), f"data has 1 to 5 axes (N, …, C); here are {len(shape)}"


def _no_data(name: str, text: Text) -> str:
    return f"there is no data named {name!r}; there is {', '.join(text.data)}"


def variables(text: Text) -> dict[str, Shape]:
    """Every variable of a case's layer or network, named as observations name it, with its shape."""
    if text.layer is not None:
        return dict.fromkeys(text.layer.quantities, (text.layer.features,))
    shapes: dict[str, Shape] = {}
    for entry in text.network or ():
        if isinstance(entry, DenseEntry):
            dense = entry.dense
            shapes[f"{dense.name}.kernel"] = dense.kernel.shape
            if dense.bias is not None:
                shapes[f"{dense.name}.bias"] = dense.kernel.shape[-1:]
        elif isinstance(entry, BatchNormEntry):
            norm = entry.batch_norm
            shapes.update({f"{norm.name}.{name}": (norm.features,) for name in norm.quantities})
    return shapes


def _subject(text: Text) -> Iterator[Found]:
    if text.layer is not None:
        yield from _layer(text.layer, ("layer",))
        return
    names: list[str] = []
    width = 0
    for index, entry in enumerate(text.network or ()):
        if not isinstance(entry, (DenseEntry, BatchNormEntry)):
            continue
        kind = "dense" if isinstance(entry, DenseEntry) else "batch_norm"
        part = entry.dense if isinstance(entry, DenseEntry) else entry.batch_norm
        at = ("network", index, kind)
        if part.name in names:
            yield (*at, "name"), f"the name {part.name!r} is taken; every entry has its own"
        names.append(part.name)
        yield from _dense(part, at) if isinstance(part, Dense) else _layer(part, at)
        inputs = (part.kernel.shape or (0,))[0] if isinstance(part, Dense) else part.features
        if width and inputs != width:
            yield at, f"takes {inputs} features, but what stands before it gives {width}"
        width = part.kernel.shape[-1] if isinstance(part, Dense) and part.kernel.ndim == 2 else inputs
    if not any(isinstance(entry, BatchNormEntry) for entry in text.network or ()):
        yield ("network",), "a network has at least one batch_norm"


def _dense(part: Dense, at: tuple[str | int, ...]) -> Iterator[Found]:
    if part.kernel.ndim != 2:
        yield (*at, "kernel"), "a kernel is a matrix (inputs, outputs)"
    elif part.bias is not None and part.bias.shape != part.kernel.shape[1:]:
        yield (*at, "bias"), f"bias must have {part.kernel.shape[1]} numbers, one for each output"


def _layer(layer: BatchNorm, at: tuple[str | int, ...]) -> Iterator[Found]:
    for name, value in layer.variables.items():
        if name not in layer.quantities:
            yield (*at, name), f"the layer has no {name}: {'scale' if name == 'gamma' else 'center'} is false"
        elif value.shape != (layer.features,):
            yield (*at, name), f"{name} must have {layer.features} numbers, one for each feature"


def _steps(text: Text) -> Iterator[Found]:
    saved: set[str] = set()
    shapes = {name: shape_of(value, text.data) for name, value in text.data.items()}
    has = variables(text)
    for index, step in enumerate(text.steps):
        at = ("steps", index)
        missing = [(key, name) for key, name in _data_names(step) if name not in shapes]
        yield from (((*at, key), _no_data(name, text)) for key, name in missing)
        if not missing:
            yield from _shapes(step, at, shapes, text)
        if isinstance(step, Save):
            saved.add(step.save)
        yield from _arguments(step, at, text, saved, has)
        yield from _expectations(step, at, {**_computed(step, shapes, text), **has})


def _data_names(step: Step) -> list[tuple[str, str]]:
    """(key, name) of the data that a step uses."""
    named = {key: value for key, value in step.options.items() if key in (*PASSES, "mask", "targets", "upstream")}
    return [(key, name) for key, name in named.items() if isinstance(name, str)]


def _passed(step: Step) -> str | None:
    """The name of the data that go through the layer in this step."""
    return getattr(step, step.verb) if step.verb in PASSES else None


def _output(shape: Shape, text: Text) -> Shape:
    widths = [entry.dense.kernel.shape[-1] for entry in text.network or () if isinstance(entry, DenseEntry)]
    return (*shape[:-1], widths[-1]) if widths else shape


def _shapes(step: Step, at: tuple[str | int, ...], shapes: dict[str, Shape], text: Text) -> Iterator[Found]:
    name = _passed(step)
    if name is None:
        return
    shape, features = shapes[name], _features(text)
    if not 2 <= len(shape) <= 5:
        yield (*at, step.verb), f"{name} has {len(shape)} axis; a batch has 2 to 5 axes (N, …, C)"
    elif shape[-1] != features:
        yield (*at, step.verb), f"the last axis of {name} is {shape[-1]}; it must be {features}, the features"
    wanted = {"mask": shape[:-1], "upstream": shape, "targets": _output(shape, text)}
    for key, expected in wanted.items():
        other = getattr(step, key, None)
        if other is not None and shapes[other] != expected:
            yield (*at, key), f"{other} has the shape {shapes[other]}; it must have {expected}"


def _features(text: Text) -> int:
    if text.layer is not None:
        return text.layer.features
    for entry in text.network or ():
        if isinstance(entry, DenseEntry):
            return int(entry.dense.kernel.shape[0])
        if isinstance(entry, BatchNormEntry):
            return entry.batch_norm.features
    return 0


def _arguments(
    step: Step, at: tuple[str | int, ...], text: Text, saved: set[str], has: dict[str, Shape]
) -> Iterator[Found]:
    if isinstance(step, Restore) and step.restore not in saved:
        yield (*at, "restore"), f"nothing was saved as {step.restore!r} before this step"
    if isinstance(step, Restore):
        for place, name in enumerate(step.omit):
            if name not in has:
                yield (*at, "omit", place), f"there is no {name!r}; there is {', '.join(has)}"
    if isinstance(step, Set):
        yield from _values(step.set, (*at, "set"), has)
    if isinstance(step, Backward) and text.network is not None:
        yield at, "backward is for a single layer; a network is trained with fit"
    flagging = getattr(step, step.verb) if step.verb in ("freeze", "unfreeze") else None
    if isinstance(flagging, Flagging) and flagging.of not in ("layer", "model", *_norms(text)):
        yield (*at, step.verb, "of"), f"there is no {flagging.of!r}; write layer, model" + _or(_norms(text))
    if isinstance(flagging, Flagging) and flagging.of == "layer" and text.layer is None:
        yield (*at, step.verb), "a network has several layers; write `of:` model" + _or(_norms(text))


def _norms(text: Text) -> list[str]:
    return [entry.batch_norm.name for entry in text.network or () if isinstance(entry, BatchNormEntry)]


def _or(names: list[str]) -> str:
    return "".join(f" or {name}" for name in names)


def _computed(step: Step, shapes: dict[str, Shape], text: Text) -> dict[str, Shape]:
    """What a step computes besides the state."""
    name = _passed(step)
    if name is None or name not in shapes or step.verb == "fit":
        return {}
    computed = {"output": _output(shapes[name], text)}
    if isinstance(step, Backward):
        features = (_features(text),)
        computed |= dict(zip(GRADIENTS, (shapes[name], features, features), strict=True))
    return computed


def _values(values: dict[str, Any], at: tuple[str | int, ...], has: dict[str, Shape]) -> Iterator[Found]:
    for name, value in values.items():
        if name not in has:
            yield (*at, name), f"there is no {name!r} here; there is {', '.join(has)}"
        elif value.shape != has[name]:
            yield (*at, name), f"{name} has the shape {value.shape}; it must have {has[name]}"


def _expectations(step: Step, at: tuple[str | int, ...], has: dict[str, Shape]) -> Iterator[Found]:
    places: list[tuple[tuple[str | int, ...], Expectation]] = [((*at, "expect"), step.expect)]
    places += [((*at, "otherwise", index), other) for index, other in enumerate(step.otherwise)]
    for place, expectation in places:
        yield from _values(expectation.quantities, place, has)
        if isinstance(expectation, Otherwise):
            try:
                STANDARD.under(expectation.dialect)
            except ValueError as error:
                yield (*place, "dialect"), str(error)
