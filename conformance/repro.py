"""A case for a target as one script in the framework's own API: expected and observed, step by step.

How a framework is spelled lies beside the adapters, in `repro/ADAPTER.py.j2`, and what the script must show comes from
the reference, or from another target's observations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any, NoReturn

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateNotFound
from numpy.typing import NDArray

from conformance.case import Case, Drawn
from conformance.fields import Floats
from conformance.judge import Compared, K, Result
from conformance.places import adapters
from conformance.plan import instruction, subject
from conformance.reference import Outcome
from conformance.rounding import EPS
from conformance.runs import Target
from conformance.wire import decode

LEAST = 1e-5  # what a script allows for in any case
MOST = 64  # numbers of an array that a script spells out, if not more are needed to see the divergence


class NoScript(Exception):
    """There is no script for this: the reason."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a step should show.

    departing: the quantities that do not, with the row of their worst element. bounds: how far honest arithmetic may
    be off in each.
    """

    raises: bool
    quantities: Mapping[str, NDArray[Any]]
    departing: Mapping[str, int] = field(default_factory=dict)
    bounds: Mapping[str, float] = field(default_factory=dict)


def wanted(outcomes: Sequence[Outcome]) -> list[Wanted]:
    """What the reference shows."""
    return [
        Wanted(
            outcome.raises,
            {name: value.expected for name, value in outcome.quantities.items()},
            bounds={name: bound(value.scale) for name, value in outcome.quantities.items()},
        )
        for outcome in outcomes
    ]


def bound(scale: Floats) -> float:
    """The widest finite bound of a quantity's elements."""
    return float(f"{K * EPS * scale[np.isfinite(scale)].max(initial=0):.1g}")


def judged(result: Result) -> list[Wanted]:
    """What should have been seen where a result departs, and where it does not."""
    return [
        Wanted(
            index in result.refused,
            {item.name: item.expected for item in step if item.expected is not None},
            rows(step),
            {item.name: bound(item.scale) for item in step if item.scale is not None},
        )
        for index, step in enumerate(result.steps)
    ]


def rows(step: Iterable[Compared]) -> dict[str, int]:
    """The quantities that depart in a step, with the row of the worst element."""
    apart = (item for item in step if item.divergence and item.expected is not None)
    return {item.name: (item.divergence.index or (0,))[0] for item in apart if item.divergence}


def seen(steps: Sequence[Mapping[str, Any]]) -> list[Wanted]:
    """What another target was seen to show."""
    decoded = [{name: decode(sent) for name, sent in step["quantities"].items()} for step in steps]
    return [
        Wanted("raised" in step, {name: value for name, value in quantities.items() if isinstance(value, np.ndarray)})
        for step, quantities in zip(steps, decoded, strict=True)
    ]


def script(case: Case, target: Target, steps: Sequence[Mapping[str, Any]], shows: Sequence[Wanted]) -> str:
    """The script; steps are those of the target, which say where it raises."""
    try:
        template = environment().get_template(f"{target.adapter}.py.j2")
    except TemplateNotFound:
        raise NoScript(f"adapters/repro has no template for {target.adapter}") from None
    asked = subject(case)
    text = template.render(
        title=case.text.title,
        case=case.id,
        target=target,
        single="layer" in asked,
        entries=[plain(entry) for entry in network(asked)],
        data={name: given(case, name) for name in case.data},
        ranks={name: array.ndim for name, array in case.data.items()},
        dtype=case.text.dtype,
        steps=list(numbered(case, steps, shows)),
        verbs={step.verb for step in case.text.steps},
    )
    return text.strip("\n") + "\n"


def network(asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The layers of a case; a single one is a network of one."""
    return asked.get("network") or [{"kind": "batch_norm", "name": "layer", **asked["layer"]}]


@cache
def environment() -> Environment:
    """Where the templates lie, and what they are given."""
    found = Environment(  # noqa: S701 - it is Python that is written, from the suite's own cases
        loader=FileSystemLoader(adapters() / "repro"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters |= {"literal": literal, "share": share, "combined": lambda one, other: {**one, **other}}
    found.globals["refuse"] = refuse
    return found


def refuse(reason: str) -> NoReturn:
    """For templates: there is no such thing."""
    raise NoScript(reason)


def share(momentum: float) -> float:
    """What a new statistic weighs, where the old one weighs momentum: 0.01 for 0.99, which 1 - 0.99 is not."""
    return float(1 - Decimal(repr(momentum)))


def plain(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry of a network with its variables as arrays."""
    arrays = {name: decode(sent) for name, sent in entry.get("variables", {}).items()}
    nested = {"layers": [plain(each) for each in entry["layers"]]} if "layers" in entry else {}
    return {**entry, **nested, "variables": arrays}


def given(case: Case, name: str) -> str:
    """An array of a case as an expression."""
    value, array = case.text.data[name], case.data[name]
    dtype = "float32" if case.text.dtype == "bfloat16" else case.text.dtype
    if isinstance(value, Drawn) and not value.skip and array.size > MOST:
        method = "random_sample" if value.normal is None else "standard_normal"
        factor = f" * {value.scale}" if value.scale != 1 else ""
        shift = f" + {value.shift}" if value.shift else ""
        drawn = f"np.random.RandomState({value.random_state}).{method}({list(array.shape)}){factor}{shift}"
        return f'({drawn}).astype("{dtype}")'
    if not array.size:
        return f'np.zeros({list(array.shape)}, "{dtype}")'
    return f'np.array({literal(array)}, "{dtype}")'


def literal(array: NDArray[Any]) -> str:
    """An array as nested lists of the shortest numbers."""
    if array.ndim:
        return "[" + ", ".join(literal(row) for row in array) + "]"
    number = array.astype(np.float32) if array.dtype == np.float64 else array
    if not np.isfinite(number):
        return f"float('{number}')"
    text = str(number)
    return text.removesuffix(".0")


def numbered(case: Case, steps: Sequence[Mapping[str, Any]], shows: Sequence[Wanted]) -> Iterator[dict[str, Any]]:
    """The steps as a template gets them, each with what it should show: what changes, or was seen to, or departs."""
    before: Mapping[str, NDArray[Any]] = {}
    sent_before: Mapping[str, Any] = {}
    for number, (step, sent, want) in enumerate(zip(case.text.steps, steps, shows, strict=True), 1):
        told: dict[str, Any] = {"omit": [], "settings": {}, "recompile": False} | instruction(step, case.text.dtype)
        assigned = {name: decode(value) for name, value in told.pop("values", {}).items()}
        quantities = sent.get("quantities", {})
        fresh = {
            name: literal(cut(value, want.departing.get(name, 0)))
            for name, value in want.quantities.items()
            if name in want.departing
            or name not in before
            or quantities.get(name) != sent_before.get(name)
            or not np.array_equal(before[name], value, equal_nan=True)
        }
        before, sent_before = want.quantities, quantities
        raises = want.raises or "raised" in sent
        title = " ".join(filter(None, (str(number), step.verb, str(told.get("data") or told.get("name") or ""))))
        yield {
            "number": number,
            "title": title,
            "raises": raises,
            "wants_error": want.raises,
            "expected": fresh,
            "bounds": {name: want.bounds[name] for name in fresh if want.bounds.get(name, 0) > LEAST},
            "assigned": assigned,
        } | told


def cut(array: NDArray[Any], row: int) -> NDArray[Any]:
    """The first rows of an array that is large, up to one that must be seen."""
    if array.size <= MOST:
        return array
    return array[: max(row + 1, MOST // max(array[:1].size, 1), 1)]
