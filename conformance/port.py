"""A layer of one target in another's own spelling: the constructor call, the names of the state, and what is left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from jinja2 import TemplateNotFound

from conformance.dialect import KNOBS, STANDARD
from conformance.repro import NoScript, environment
from conformance.runs import Header

__all__ = ["Layer", "NoScript", "Port", "port"]


@dataclass(frozen=True, slots=True)
class Layer:
    """The settings of somebody's layer; shape is that of a sample, channels last."""

    momentum: float
    epsilon: float
    shape: tuple[int | None, ...] = (64,)
    center: bool = True
    scale: bool = True
    trainable: bool = True
    track: bool = True
    dtype: str = "float32"
    training: bool | None = None

    @property
    def features(self) -> int:
        """How many channels there are."""
        return self.shape[-1] or 1


@dataclass(frozen=True, slots=True)
class Spelled:
    """A layer as a target spells it: its constructor call, its layout, and its state, in its own order."""

    target: str
    call: str
    layout: str
    names: Mapping[str, str]
    order: list[str]


@dataclass(frozen=True, slots=True)
class Port:
    """The layer in both spellings, and the knobs (here, there) in which no argument makes the two equal."""

    here: Spelled
    there: Spelled
    left: Mapping[str, tuple[str, str]]


def port(here: Header, there: Header, layer: Layer) -> Port:
    """What does in one target what a layer does in another."""
    ours, theirs = STANDARD.under(here.dialect), STANDARD.under(there.dialect)
    apart = {
        knob: (getattr(ours, knob), getattr(theirs, knob))
        for knob in KNOBS
        if getattr(ours, knob) != getattr(theirs, knob)
    }
    settable = {knob: settings(there).get(knob, {}).get(value, "") for knob, (value, _) in apart.items()}
    arguments = [argument for argument in settable.values() if argument]
    left = {knob: values for knob, values in apart.items() if not settable[knob]}
    return Port(spelled(here, layer, []), spelled(there, layer, arguments), left)


def settings(header: Header) -> Mapping[str, Mapping[str, str]]:
    """The arguments of a constructor that give a knob a value: knob -> value -> argument."""
    found: Mapping[str, Mapping[str, str]] = module(header).settable
    return found


def spelled(header: Header, layer: Layer, extra: list[str]) -> Spelled:
    """A layer as a target spells it, with some further arguments."""
    spelling = module(header)
    cumulative = STANDARD.under(header.dialect).startup == "cumulative"  # where all batches weigh the same
    momentum = None if cumulative else layer.momentum
    told = {
        **asdict(layer),
        "momentum": momentum,
        "features": layer.features,
        "mode": header.target.mode,
        "extra": extra,
    }
    call = " ".join(str(spelling.spelled(told)).split())
    present = {"gamma": layer.scale, "beta": layer.center}
    names = {name: own for name, own in spelling.names.items() if present.get(name, True)}
    order = [own for own in spelling.order if own in names.values() or own not in spelling.names.values()]
    return Spelled(header.target.label, call, spelling.layout, names, order)


def module(header: Header) -> Any:
    """The spelling of a target, which lies beside the adapters."""
    try:
        return environment().get_template(f"{header.target.adapter}.j2").module
    except TemplateNotFound:
        raise NoScript(f"adapters/repro has no spelling of {header.target.adapter}") from None
