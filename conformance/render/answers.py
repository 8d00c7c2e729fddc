"""Answers to questions, as lines of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from conformance.dialect import KNOBS
from conformance.differ import Differences
from conformance.infer import Departure, Inferred
from conformance.known_update import Use
from conformance.lag import Answer, left, until
from conformance.port import Port
from conformance.runs import Target
from conformance.slips import sentence
from conformance.worked import VALUES, Settings, comes_to

CAUGHT_UP = 0.01


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
    """Where something else holds, and the cases."""
    return f"{holds(departure, found)}: {few(departure.cases)}"


def holds(departure: Departure, found: Inferred) -> str:
    """What else holds, and where."""
    cause, where = departure.cause, departure.where
    what = f"{cause.name}: {sentence(cause.name)}" if not cause.value else str(cause)
    otherwise = f", {getattr(found.dialect, cause.name)} otherwise" if cause.value else ""
    condition = f" at {where}{otherwise}" if where else ""
    return f"{what}{condition}"


def few(cases: Sequence[str], most: int = 2) -> str:
    """The number of cases and the first of them."""
    shown = ", ".join(cases[:most]) + (", …" if len(cases) > most else "")
    return f"{len(cases)} {'case' if len(cases) == 1 else 'cases'}" + (f": {shown}" if most else "")


def differences(here: str, there: str, found: Differences, settings: Settings) -> list[str]:
    """What differs between two targets, what is the same, and what only one of them has."""
    lines = [f"{here}  and  {there}", ""]
    for each in found.knobs:
        lines.append(f"{each.knob}: {each.here} and {each.there}")
        lines += [f"  {name}: {VALUES[each.knob][value]}" for name, value in ((here, each.here), (there, each.there))]
        lines.append(f"  {comes_to(each.knob, settings)}")
        lines.append(f"  look at {few(each.cases)}" if each.cases else "  declared so; no case that both have tells")
        lines.append("")
    for odd in found.oddities:
        lines.append(f"{odd.side} departs from what it declares in {few(odd.cases)}")
        lines.append(f"  {odd.explanation or 'unexplained'}")
    same = ", ".join(f"{knob} ({value})" for knob, value in found.same.items())
    lines += [
        "",
        f"the same: {same}",
        f"the same numbers, whichever of the two dialects is expected, in {few(found.alike, 0)}",
    ]
    for name, cases in zip((here, there), found.alone, strict=True):
        if cases:
            lines.append(f"only {name} has {few(cases)}")
    return lines


def use(each: Use) -> str:
    """What an entry of the list of known divergences does."""
    entry = each.entry
    about = " ".join(filter(None, (*entry.target, entry.versions, *entry.case)))
    if each.idle:
        return f"IDLE    {about}: matches nothing that was run"
    if each.healed:
        return f"HEALED  {about}: no longer seen in {few([f'{label} {case}' for label, case in each.healed])}"
    return f"{each.excused:4}    {about}"


def ported(found: Port, settings: Settings) -> list[str]:
    """A layer in two spellings, the names and order of its state, the layouts, and what is left."""
    here, there = found.here, found.there
    wide = max(len(here.target), len(there.target)) + 2
    lines = [f"{each.target:{wide}}{each.call}" for each in (here, there)]
    lines += ["", "state, name by name:"]
    lines += [
        f"  {here.names[name]:24} -> {there.names[name]:24} ({name})" for name in here.names if name in there.names
    ]
    lines += ["order:", *(f"  {each.target:{wide}}{', '.join(each.order)}" for each in (here, there))]
    lines += ["layout:", *(f"  {each.target:{wide}}{each.layout}" for each in (here, there))]
    if not found.left:
        return [*lines, "", "no convention differs"]
    lines += ["", "what no argument makes equal:"]
    for knob, (ours, theirs) in found.left.items():
        lines.append(f"  {knob}: {VALUES[knob][ours]}; in {there.target} {VALUES[knob][theirs]}")
        lines.append(f"    {comes_to(knob, settings)}")
    return lines


def why(name: str, found: Answer) -> list[str]:
    """Which hypothesis holds for a sequence, and how large the gap is that lag alone makes."""
    said = "; or ".join(f"{what}: {' or '.join(causes)}" for what, causes in found.fits.items())
    caught_up = all(gap.left < CAUGHT_UP for gap in found.gaps)
    alone = "as declared, and the statistics have caught up" if caught_up else "lag, nothing else"
    lines = [f"{name}: {alone if found.lag else said or 'none of lag, mode and lost state'}"]
    told = {(gap.updates, gap.distance): gap for gap in reversed(found.gaps)}
    lines += [
        f"  step {gap.step + 1}: after {gap.updates} updates {gap.left:.3g} of the start is left; the prediction is"
        f" up to {gap.distance:.2g} standard deviations from the output in training mode"
        for gap in reversed(told.values())
    ]
    return lines


def lag(momentum: float, updates: int) -> list[str]:
    """How far moving statistics are behind."""
    words = "never" if momentum == 1 else f"after {until(momentum):.0f} updates"
    rest = (
        f"{momentum:g}^{updates} = {left(momentum, updates):.4g} of the start is left in the moving mean and variance"
    )
    return [f"after {updates} updates at momentum {momentum:g}: {rest}", f"1 % of the start is left {words}"]
