"""Which targets behave alike in a case, whatever they declare: classes of equal traces, and what tells them apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from conformance import replays
from conformance.case import Case
from conformance.causes import distances
from conformance.dialect import Dialect
from conformance.judge import Compared, K, Result
from conformance.rounding import EPS


@dataclass(frozen=True, slots=True)
class Behaviour:
    """A class of targets with one trace, within the bounds of rounding.

    members: the places of its targets. knobs: conventions in which they differ from the first class, and which show.
    """

    letter: str
    members: tuple[int, ...]
    knobs: tuple[str, ...] = ()


class Shown(NamedTuple):
    """One quantity as a target shows it; the slack is what rounding may make of it, None where there is no bound."""

    value: NDArray[Any] | str | None
    slack: NDArray[Any] | None
    dtype: str


class Group(NamedTuple):
    """Targets that were found to be alike, with the trace that the others were compared with."""

    steps: list[dict[str, Shown]]
    raised: frozenset[int]
    members: list[int]


def behaviours(case: Case, seen: list[tuple[Result | None, Dialect]]) -> list[Behaviour]:
    """The classes of a case, the largest first; of equally large ones the one that comes first."""
    groups: list[Group] = []
    known: dict[object, Group] = {}
    for place, (result, _) in enumerate(seen):
        if result is None or not has_trace(result):
            continue
        key = fingerprint(result)
        if key not in known:
            new = group(result)
            known[key] = next((other for other in groups if alike(other, new)), new)
            if known[key] is new:
                groups.append(new)
        known[key].members.append(place)
    groups.sort(key=lambda one: -len(one.members))
    return [
        Behaviour(letter(number), tuple(one.members), _knobs(case, seen, groups[0], one) if number else ())
        for number, one in enumerate(groups)
    ]


def same_trace(one: Result, other: Result) -> bool:
    """Whether two results show the same, but for rounding; those that show nothing do."""
    if not has_trace(one) or not has_trace(other):
        return has_trace(one) == has_trace(other)
    return fingerprint(one) == fingerprint(other) or alike(*(group(result) for result in (one, other)))


def group(result: Result) -> Group:
    """A class of its own."""
    return Group([shown(step) for step in result.steps], frozenset(result.raised), [])


def letter(number: int) -> str:
    """A to Z, then AA, AB and so on."""
    before, last = divmod(number, len(ascii_uppercase))
    return (letter(before - 1) if before else "") + ascii_uppercase[last]


def has_trace(result: Result) -> bool:
    """Whether a result says what a target does: numbers, or an error of its own."""
    silent = result.verdict in ("unsupported", "crashed", "hung")
    return not silent and (bool(result.steps or result.raised) or result.verdict == "errored")


def fingerprint(result: Result) -> object:
    """Something that only results with the same trace have in common."""
    return (
        frozenset(result.raised),
        tuple(
            (item.name, item.dtype, _raw(item.observed if item.divergence else item.expected))
            for step in result.steps
            for item in step
        ),
        len(result.steps),
    )


def _raw(value: NDArray[Any] | str | None) -> object:
    return (value.shape, value.tobytes()) if isinstance(value, np.ndarray) else value


def shown(step: Iterable[Compared]) -> dict[str, Shown]:
    """What a target shows after a step: the reference's exact numbers where it conforms, else its own."""
    return {item.name: _shown(item) for item in step}


def _shown(item: Compared) -> Shown:
    slack = None if item.scale is None else K * EPS * item.scale
    return Shown(item.observed if item.divergence else item.expected, slack, item.dtype)


def alike(one: Group, other: Group) -> bool:
    """Whether two traces are the same but for rounding."""
    return (
        one.raised == other.raised
        and len(one.steps) == len(other.steps)
        and all(
            here.keys() == there.keys() and all(same(here[name], there[name]) for name in here)
            for here, there in zip(one.steps, other.steps, strict=True)
        )
    )


def same(one: Shown, other: Shown) -> bool:
    """Whether two quantities are: no further apart than both bounds together."""
    here, there = one.value, other.value
    if not isinstance(here, np.ndarray) or not isinstance(there, np.ndarray):
        return here is there or (isinstance(here, str) and isinstance(there, str) and here == there)
    if here.shape != there.shape or one.dtype != other.dtype:
        return False
    slack = sum((side.slack for side in (one, other) if side.slack is not None), start=np.zeros(here.shape))
    with np.errstate(invalid="ignore"):
        apart = np.abs(here.astype(np.float64) - there.astype(np.float64)) <= slack
    return bool((apart | (here == there) | (np.isnan(here) & np.isnan(there))).all())


def _knobs(case: Case, seen: list[tuple[Result | None, Dialect]], first: Group, other: Group) -> tuple[str, ...]:
    """The conventions in which two classes differ by declaration, and which show in this case one by one."""
    here, there = _declared(seen, first), _declared(seen, other)
    if here is None or there is None:
        return ()
    return tuple(knob for knob, value in there.differences(here).items() if shows(case, here, knob, value))


def _declared(seen: list[tuple[Result | None, Dialect]], group: Group) -> Dialect | None:
    """The dialect that a class conforms to; None where none of its targets does what it declares."""
    places = (place for place in group.members if (result := seen[place][0]) and result.verdict == "conforms")
    return next((seen[place][1] for place in places), None)


def shows(case: Case, dialect: Dialect, knob: str, value: str) -> bool:
    """Whether a case tells a dialect from the same one with another value of one knob."""
    pairs = zip(replays.shown(case, dialect), replays.shown(case, dialect.under({knob: value})), strict=True)
    return any(distance > 1 for here, there in pairs for distance in distances(here, there))


def by_place(classes: Iterable[Behaviour]) -> Mapping[int, str]:
    """The letter of every target that has one."""
    return {place: behaviour.letter for behaviour in classes for place in behaviour.members}
