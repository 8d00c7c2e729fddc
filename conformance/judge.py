"""Observations against the reference under the declared dialect -> verdicts. Runs no framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance import wire
from conformance.case import Case
from conformance.dialect import Dialect
from conformance.fields import Floats
from conformance.reference import Outcome, trace
from conformance.rounding import EPS, TINY, Value

K = 8.0
GREEN = ("conforms", "known", "unsupported")
VERDICTS = {
    "conforms": "every quantity of every step is within its bound of the reference under the declared dialect",
    "diverges": "some quantity departs from the reference under the declared dialect",
    "known": "departs, and the list of known divergences says why",
    "healed": "is on the list of known divergences, and is no longer seen: take it off the list",
    "unsupported": "the framework has no such thing; the reason is given",
    "errored": "raised an error where the reference has a value",
    "crashed": "the process ended in the middle of the case",
    "hung": "no answer within the time limit",
    "missing": "there is no observation of this case",
    "unavailable": "the framework or its interpreter is not there",
}


@dataclass(frozen=True, slots=True)
class Divergence:
    """A place where a target departs from its reference; error in units of the bound, inf where none can be given."""

    step: int
    quantity: str
    what: str
    index: tuple[int, ...] = ()
    expected: float | None = None
    observed: float | None = None
    error: float = float("inf")


@dataclass(frozen=True, slots=True)
class Compared:
    """One quantity of one step: what should be and what is there, and the worst error in units of the bound.

    scale is that of the bound, of the shape of what is expected; dtype that of what was observed, promised the one that
    should be.
    """

    name: str
    expected: Floats | None
    observed: NDArray[Any] | str | None
    error: float
    divergence: Divergence | None
    scale: Floats | None = None
    dtype: str = ""
    promised: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """The verdict on a case for a target, with everything that led to it; refused: steps that had to raise an error."""

    case: str
    verdict: str
    reason: str = ""
    first: Divergence | None = None
    worst: Divergence | None = None
    error: float = 0.0
    explanation: str = ""
    steps: tuple[tuple[Compared, ...], ...] = ()
    raised: Mapping[int, str] = field(default_factory=dict)
    refused: frozenset[int] = frozenset()

    @property
    def green(self) -> bool:
        """Whether there is nothing to look at."""
        return self.verdict in GREEN

    @property
    def growth(self) -> list[tuple[int, float]]:
        """(step, error) of the quantity that departs first, from there on: it grows, stays, or goes."""
        first = self.first
        if first is None:
            return []
        return [
            (index, item.error)
            for index, step in enumerate(self.steps)
            for item in step
            if item.name == first.quantity and index >= first.step
        ]


def judge(case: Case, line: Mapping[str, Any] | None, dialect: Dialect) -> Result:
    """The verdict on one line of a run file; None where there is none."""
    if line is None:
        return Result(case.id, "missing", "the run has no observation of this case")
    for verdict in ("crashed", "hung", "errored"):
        if verdict in line:
            return Result(case.id, verdict, str(line[verdict]))
    if "unsupported" in line:
        return Result(case.id, "unsupported", str(line["unsupported"]))
    if "raised" in line:
        return Result(case.id, "errored", "when it was built: " + _told(line["raised"]))
    return compare(case.id, trace(case, dialect), line["steps"])


def _told(raised: Any) -> str:
    """The type and message of an exception that a run file holds."""
    return ": ".join(map(str, raised)) if isinstance(raised, list) else str(raised)


def compare(case_id: str, expected: list[Outcome], observed: list[Mapping[str, Any]]) -> Result:
    """Compare step by step until the observation ends or breaks off."""
    steps: list[tuple[Compared, ...]] = []
    raised = {index: _told(step["raised"]) for index, step in enumerate(observed) if "raised" in step}
    stray: list[Divergence] = []
    before: Before = ({}, {}, {})
    verdict, reason = "conforms", ""
    for index, outcome in enumerate(expected):
        step = observed[index] if index < len(observed) else None
        if step is None:
            stray.append(Divergence(index, "step", "was not observed"))
            break
        if "unsupported" in step:
            verdict, reason = "unsupported", str(step["unsupported"])
            break
        if index in raised and not outcome.raises:
            verdict, reason = "errored", f"step {index + 1} raised {raised[index]}"
            break
        if outcome.raises and index not in raised:
            stray.append(Divergence(index, "step", "raised no error where the dialect says it must"))
        steps.append(tuple(_step(index, outcome, step["quantities"], before)))
        before = outcome.quantities, step["quantities"], {item.name: item for item in steps[-1]}
    if len(observed) > len(expected):
        stray.append(Divergence(len(expected), "step", f"{len(observed) - len(expected)} more steps than the case has"))
    departed = stray + [item.divergence for step in steps for item in step if item.divergence]
    departed.sort(key=lambda divergence: divergence.step)
    error = max((item.error for step in steps for item in step), default=0.0)
    first = departed[0] if departed else None
    worst = max(departed, key=lambda divergence: divergence.error, default=None)
    verdict = "diverges" if departed else verdict
    refused = frozenset(index for index, outcome in enumerate(expected) if outcome.raises)
    return Result(case_id, verdict, reason, first, worst, error, "", tuple(steps), raised, refused)


Before = tuple[Mapping[str, Value], Mapping[str, Any], Mapping[str, Compared]]


def _step(index: int, outcome: Outcome, quantities: Mapping[str, Any], before: Before) -> list[Compared]:
    """Every quantity that is expected, then what is there besides; most are what they were in the step before."""
    expected, sent, judged = before
    compared = []
    for name, value in outcome.quantities.items():
        if name not in quantities:
            compared.append(_missing(index, name, value))
        elif value is expected.get(name) and quantities[name] == sent.get(name) and not judged[name].divergence:
            compared.append(judged[name])
        else:
            compared.append(_quantity(index, name, value, quantities[name]))
    for name in quantities:
        if name not in outcome.quantities:
            extra = Divergence(index, name, "is there, but should not be")
            compared.append(Compared(name, None, wire.decode(quantities[name]), float("inf"), extra))
    return compared


def _missing(index: int, name: str, value: Value) -> Compared:
    return Compared(name, value.expected, "missing", float("inf"), Divergence(index, name, "is missing"))


def _quantity(index: int, name: str, value: Value, sent: object) -> Compared:
    """One quantity: whether it is an array of the right shape and dtype, and how far off its elements are."""
    observed, dtype = wire.decode(sent), wire.dtype(sent)
    what = _kind(observed, value, dtype)
    if what or not isinstance(observed, np.ndarray):
        unlike = Divergence(index, name, what)
        return Compared(name, value.expected, observed, float("inf"), unlike, None, dtype, value.dtype)
    errors = in_bounds(observed, value)
    error = float(errors.max(initial=0.0))
    divergence = None
    if error > 1:
        place = tuple(int(i) for i in np.unravel_index(int(errors.argmax()), errors.shape))
        seen = float(observed[place])
        what = "is not finite" if not np.isfinite(seen) and np.isfinite(value.expected[place]) else "departs"
        divergence = Divergence(index, name, what, place, float(value.expected[place]), seen, error)
    return Compared(name, value.expected, observed, error, divergence, value.scale, dtype, value.dtype)


def _kind(observed: NDArray[Any] | str | None, value: Value, dtype: str) -> str:
    """What is wrong with a quantity before its numbers are looked at."""
    if observed is None:
        return "is None"
    if isinstance(observed, str):
        return f"is no array of numbers: {observed}"
    if observed.shape != value.expected.shape:
        return f"has the shape {observed.shape} instead of {value.expected.shape}"
    if dtype != value.dtype:
        return f"has the dtype {dtype} instead of {value.dtype}"
    return ""


def bound(scale: Floats) -> Floats:
    """How far honest arithmetic may be off, elementwise: k·eps·C, and a little for what is smaller than numbers are."""
    return scale * (K * EPS) + K * TINY


def in_bounds(observed: NDArray[Any], value: Value) -> Floats:
    """|observed - expected| in units of the bound k·eps·C, elementwise; NaN equals NaN and infinity itself."""
    seen = observed.astype(np.float64)
    with np.errstate(invalid="ignore"):
        errors = np.asarray(np.abs(seen - value.expected) / bound(value.scale))
    if not np.isfinite(errors).all():
        errors[np.isnan(errors)] = np.inf
        errors[(seen == value.expected) | (np.isnan(seen) & np.isnan(value.expected))] = 0.0
    return errors
