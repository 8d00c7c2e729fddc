"""Whether the steps of a case fit its layer and its data: names that exist, shapes that agree, knobs that are knobs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from conformance.case import Text
from conformance.data import shape_of
from conformance.dialect import STANDARD
from conformance.layers import BatchNormEntry, DenseEntry, Entry, flat, submodels
from conformance.steps import PASSES, Backward, Expectation, Export, Otherwise, Restore, Save, Set, Step

Shape = tuple[int, ...]
Path = tuple[str | int, ...]
Found = tuple[Path, str]
Options = Mapping[str, Any]
GRADIENTS = ("input_gradient", "gamma_gradient", "beta_gradient")
NAMES_OF_DATA = (*PASSES, "mask", "targets", "upstream", "validation", "validation_targets")


def no_data(name: str, text: Text) -> str:
    """That a name stands for no data, and which do."""
    return f"there is no data named {name!r}; there is {', '.join(text.data)}"


def variables(text: Text) -> dict[str, Shape]:
    """Every variable of a case's layer or network, named as observations name it, with its shape."""
    if text.layer is not None:
        return dict.fromkeys(text.layer.quantities, (text.layer.features,))
    shapes: dict[str, Shape] = {}
    for entry in flat(text.network or ()):
        if isinstance(entry, DenseEntry):
            dense = entry.dense
            shapes[f"{dense.name}.kernel"] = dense.kernel.shape
            if dense.bias is not None:
                shapes[f"{dense.name}.bias"] = dense.kernel.shape[-1:]
        elif isinstance(entry, BatchNormEntry):
            norm = entry.batch_norm
            shapes.update({f"{norm.name}.{name}": (norm.features,) for name in norm.quantities})
    return shapes


def outputs(entries: list[Entry], width: int) -> int:
    """How many features come out of some entries for `width` that go in."""
    for entry in flat(entries):
        if isinstance(entry, DenseEntry):
            width = entry.dense.kernel.shape[-1] if entry.dense.kernel.ndim == 2 else width
        elif isinstance(entry, BatchNormEntry):
            width = entry.batch_norm.features
    return width


def inputs(entries: list[Entry]) -> int:
    """How many features go into some entries; 0 where none says."""
    for entry in flat(entries):
        if isinstance(entry, DenseEntry):
            return int(entry.dense.kernel.shape[0])
        if isinstance(entry, BatchNormEntry):
            return entry.batch_norm.features
    return 0


@dataclass
class Course:
    """What is known in the course of a case.

    variables: the shapes of all variables; models: for the whole model ("") and each nested one the features that go
    in and come out; layers: what can be frozen by name.
    """

    text: Text
    shapes: dict[str, Shape]
    variables: dict[str, Shape]
    models: dict[str, tuple[int, int]]
    layers: list[str]
    saved: set[str] = field(default_factory=set)
    exported: set[str] = field(default_factory=set)

    def width(self, options: Options) -> tuple[int, int]:
        """The features that go into the model that a step is about, and come out of it."""
        return self.models.get(options.get("through") or "", (0, 0))


def course(text: Text) -> Course:
    """What is known before the first step."""
    shapes = {name: shape_of(value, text.data) for name, value in text.data.items()}
    if text.layer is not None:
        return Course(text, shapes, variables(text), {"": (text.layer.features,) * 2}, [])
    network = text.network or []
    nested = {model.name: (inputs(model.layers), outputs(model.layers, 0)) for model in submodels(network)}
    named = [part.dense.name if isinstance(part, DenseEntry) else part.batch_norm.name
             for part in flat(network) if isinstance(part, (DenseEntry, BatchNormEntry))]  # fmt: skip
    models = {"": (inputs(network), outputs(network, 0)), **nested}
    return Course(text, shapes, variables(text), models, [*named, *nested])


def steps(text: Text) -> Iterator[Found]:
    """Everything about the steps that does not fit, as (path into the file, message)."""
    known = course(text)
    for index, step in enumerate(text.steps):
        at: Path = ("steps", index)
        options = step.options
        missing = [(key, name) for key, name in _data_names(options) if name not in known.shapes]
        yield from (((*at, key), no_data(name, text)) for key, name in missing)
        found = list(_arguments(step, options, at, known))
        yield from found
        if not missing and not found:
            yield from _shapes(step, options, at, known)
        if isinstance(step, Save):
            known.saved.add(step.save)
        if isinstance(step, Export):
            known.exported.add(step.export)
        if isinstance(step, Restore) and step.settings.features:
            known.variables = dict.fromkeys(known.variables, (step.settings.features,))
            known.models[""] = (step.settings.features,) * 2
        yield from _expectations(step, at, {**_computed(step, options, known), **known.variables})


def _data_names(options: Options) -> list[tuple[str, str]]:
    """(key, name) of the data that a step uses."""
    named = {key: value for key, value in options.items() if key in NAMES_OF_DATA}
    return [(key, name) for key, name in named.items() if isinstance(name, str)]


def _passed(step: Step) -> str | None:
    """The name of the data that go through the layer in this step."""
    return getattr(step, step.verb) if step.verb in PASSES else None


def _shapes(step: Step, options: Options, at: Path, known: Course) -> Iterator[Found]:
    name = _passed(step)
    if name is None:
        return
    shape, (features, width) = known.shapes[name], known.width(options)
    if not 2 <= len(shape) <= 5:
        yield (*at, step.verb), f"{name} has {len(shape)} axis; a batch has 2 to 5 axes (N, …, C)"
    elif shape[-1] != features:
        yield (*at, step.verb), f"the last axis of {name} is {shape[-1]}; it must be {features}, the features"
    validated = options.get("validation")
    wanted = {"mask": shape[:-1], "upstream": shape, "targets": (*shape[:-1], width)}
    if validated is not None:
        wanted |= {"validation_targets": (*known.shapes[validated][:-1], width)}
    for key, expected in wanted.items():
        other = options.get(key)
        if other is not None and known.shapes[other] != expected:
            yield (*at, key), f"{other} has the shape {known.shapes[other]}; it must have {expected}"


def _arguments(step: Step, options: Options, at: Path, known: Course) -> Iterator[Found]:
    if isinstance(step, Restore):
        yield from _restore(step, at, known)
    if isinstance(step, Set):
        yield from _values(step.set, (*at, "set"), known.variables)
    if isinstance(step, Backward) and known.text.network is not None:
        yield at, "backward is for a single layer; a network is trained with fit"
    if step.verb in ("freeze", "unfreeze", "mode"):
        yield from _reach(getattr(step, step.verb).of, (*at, step.verb), known)
    through, exported = options.get("through"), options.get("exported")
    nested = [name for name in known.models if name]
    if through is not None and through not in nested:
        yield (*at, "through"), f"there is no nested model {through!r}; there is {', '.join(nested) or 'none'}"
    if exported is not None and exported not in known.exported:
        yield (*at, "exported"), f"nothing was exported as {exported!r} before this step"
    if (options.get("validation") is None) != (options.get("validation_targets") is None):
        yield at, "`validation` and `validation_targets` go together"


def _restore(step: Restore, at: Path, known: Course) -> Iterator[Found]:
    if step.restore not in known.saved:
        yield (*at, "restore"), f"nothing was saved as {step.restore!r} before this step"
    for place, name in enumerate(step.omit):
        if name not in known.variables:
            yield (*at, "omit", place), f"there is no {name!r}; there is {', '.join(known.variables)}"
    if step.settings.model_fields_set and (step.into == "same" or known.text.layer is None):
        yield (*at, "settings"), "other settings are for a fresh `layer`"


def _reach(of: str, at: Path, known: Course) -> Iterator[Found]:
    names = "".join(f" or {name}" for name in known.layers)
    if of not in ("layer", "model", *known.layers):
        yield (*at, "of"), f"there is no {of!r}; write layer, model" + names
    if of == "layer" and known.text.layer is None:
        yield at, "a network has several layers; write `of:` model" + names


def _computed(step: Step, options: Options, known: Course) -> dict[str, Shape]:
    """What a step computes besides the state."""
    name = _passed(step)
    if name is None or name not in known.shapes or step.verb == "fit":
        return {}
    if step.verb == "evaluate":
        return {"loss": ()}
    features, width = known.width(options)
    computed: dict[str, Shape] = {"output": (*known.shapes[name][:-1], width)}
    if isinstance(step, Backward):
        computed |= dict(zip(GRADIENTS, (known.shapes[name], (features,), (features,)), strict=True))
    return computed


def _values(values: dict[str, Any], at: Path, has: dict[str, Shape]) -> Iterator[Found]:
    for name, value in values.items():
        if name not in has:
            yield (*at, name), f"there is no {name!r} here; there is {', '.join(has)}"
        elif value.shape != has[name]:
            yield (*at, name), f"{name} has the shape {value.shape}; it must have {has[name]}"


def _expectations(step: Step, at: Path, has: dict[str, Shape]) -> Iterator[Found]:
    places: list[tuple[Path, Expectation]] = [((*at, "expect"), step.expect)]
    places += [((*at, "otherwise", index), other) for index, other in enumerate(step.otherwise)]
    for place, expectation in places:
        yield from _values(expectation.quantities, place, has)
        if isinstance(expectation, Otherwise):
            try:
                STANDARD.under(expectation.dialect)
            except ValueError as error:
                yield (*place, "dialect"), str(error)
