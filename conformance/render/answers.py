"""Answers to questions, as lines of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from conformance.dialect import KNOBS
from conformance.infer import Departure, Inferred
from conformance.runs import Target
from conformance.slips import sentence


def inferred(
    target: Target, found: Inferred, cases: int, declared: Mapping[str, str], against: Mapping[str, list[str]]
) -> list[str]:
    """What a target was inferred to do: knob by knob with its proof, what is not told, exceptions, what is open."""
    lines = [f"{target.label}, {target.environment}: from {cases} cases"]
    for knob, value in found.told.items():
        lines.append(f"  {knob:24}{value:18}{few(found.proofs(knob))}")
    untold = [f"{knob} ({' or '.join(found.left(knob))})" for knob in KNOBS if knob not in found.told]
    if untold:
        lines.append(f"  no case tells {', '.join(untold)}")
    lines += [f"  except that {exception(each, found)}" for each in found.exceptions]
    if found.unexplained:
        lines.append(f"  unexplained: {few(found.unexplained, len(found.unexplained))}")
    for knob, refuting in against.items():
        lines.append(f"  CONTRADICTED: {knob} = {declared.get(knob, KNOBS[knob][0])} is declared; {few(refuting)}")
    return lines


def exception(departure: Departure, found: Inferred) -> str:
    """Where something else holds."""
    cause, where = departure.cause, departure.where
    what = f"{cause.name}: {sentence(cause.name)}" if not cause.value else str(cause)
    otherwise = f", {getattr(found.dialect, cause.name)} otherwise" if cause.value else ""
    condition = f" at {where}{otherwise}" if where else ""
    return f"{what}{condition}: {few(departure.cases)}"


def few(cases: Sequence[str], most: int = 2) -> str:
    """The number of cases and the first of them."""
    shown = ", ".join(cases[:most]) + (", …" if len(cases) > most else "")
    return f"{len(cases)} {'case' if len(cases) == 1 else 'cases'}: {shown}"
