"""A case for a target as one script in the framework's own API: expected and observed, step by step.

How a framework is spelled lies beside the adapters, in `repro/ADAPTER.py.j2`, and what the script must show comes from
the reference, or from another target's observations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cache
from typing import Any, NoReturn

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateNotFound
from numpy.typing import NDArray

from conformance import wire
from conformance.case import Case, Drawn
from conformance.fields import Floats
from conformance.host import fresh
from conformance.judge import Compared, Divergence, Result, bound
from conformance.places import adapters
from conformance.plan import instruction, subject
from conformance.reference import Outcome
from conformance.runs import Target
from conformance.wire import decode

RELATIVE = 1e-4  # what a script allows for in any case, of each number
NUMPY = {"bfloat16": "float32"}  # what NumPy holds its values in
NARROW = 10  # bounds of one array that differ by no more than this factor are given as one
MOST = 64  # numbers of an array that a script spells out, if not more are needed to see the divergence


class NoScript(Exception):
    """There is no script for this: the reason."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a step should show; None is a quantity that should not be there.

    departing: the quantities that do not, with the row of their worst element. beyond: how far that is off, less what
    honest arithmetic may be, as a part of the number. bounds: how far honest arithmetic may be off in their elements.
    dtypes: what the dtype should be of those that have another.
    """

    raises: bool
    quantities: Mapping[str, NDArray[Any] | None]
    departing: Mapping[str, int] = field(default_factory=dict)
    beyond: Mapping[str, float] = field(default_factory=dict)
    bounds: Mapping[str, Floats] = field(default_factory=dict)
    dtypes: Mapping[str, str] = field(default_factory=dict)

    def beside(self, step: Iterable[Compared]) -> Wanted:
        """The same, told what of it was not seen."""
        apart = [(item, item.divergence) for item in step if item.divergence]
        return replace(
            self,
            quantities={**self.quantities, **{item.name: None for item, _ in apart if item.expected is None}},
            departing={item.name: (divergence.index or (0,))[0] for item, divergence in apart},
            beyond={item.name: beyond(divergence) for item, divergence in apart},
            dtypes={item.name: item.promised for item, _ in apart if item.dtype and item.dtype != item.promised},
        )


def beyond(divergence: Divergence) -> float:
    """By what part of a number an observed one leaves its bound; inf where it is no finite number that departs."""
    if not divergence.expected or divergence.observed is None:
        return np.inf
    off = abs(divergence.observed / divergence.expected - 1) * (1 - 1 / divergence.error)
    return float(np.nan_to_num(off, nan=np.inf))


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


def judged(result: Result) -> list[Wanted]:
    """What should have been seen where a result departs, and where it does not."""
    return [
        Wanted(
            index in result.refused,
            {item.name: item.expected for item in step if item.expected is not None},
            bounds={item.name: bound(item.scale) for item in step if item.scale is not None},
        ).beside(step)
        for index, step in enumerate(result.steps)
    ]


def seen(steps: Sequence[Mapping[str, Any]], own: Sequence[Mapping[str, Any]]) -> list[Wanted]:
    """What another target was seen to show, and what its dtypes are where the own ones are others."""
    decoded = [{name: decode(sent) for name, sent in step["quantities"].items()} for step in steps]
    return [
        Wanted(
            "raised" in step,
            {name: value for name, value in quantities.items() if isinstance(value, np.ndarray)},
            dtypes=others(step["quantities"], here["quantities"]),
        )
        for step, here, quantities in zip(steps, own, decoded, strict=True)
    ]


def others(quantities: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, str]:
    """The dtypes of quantities where those of one's own are others; NoScript for one that NumPy does not have."""
    dtypes = {name: (wire.dtype(sent), wire.dtype(own[name])) for name, sent in quantities.items() if name in own}
    found = {name: there for name, (there, here) in dtypes.items() if there != here}
    if any("bfloat16" in dtypes[name] for name in found):
        raise NoScript("scripts cannot tell bfloat16 from float32")
    return found


def script(case: Case, target: Target, steps: Sequence[Mapping[str, Any]], shows: Sequence[Wanted]) -> str:
    """The script; steps are those of the target, which say where it raises."""
    try:
        template = environment().get_template(f"{target.adapter}.py.j2")
    except TemplateNotFound:
        raise NoScript(f"adapters/repro has no template for {target.adapter}") from None
    asked = network(subject(case))
    layers = [plain(entry) for entry in asked]
    text = template.render(
        title=case.text.title,
        case=case.id,
        target=target,
        single=case.text.layer is not None,
        entries=layers,
        placed={entry["name"]: entry for entry in flat(layers) if entry["kind"] != "again"},
        shared={entry["name"] for entry in flat(layers) if entry["kind"] == "again"},
        data={name: given(case, name) for name in case.data},
        ranks={name: array.ndim for name, array in case.data.items()},
        dtype=case.text.dtype,
        steps=[
            {**step, "rebuilt": fresh(asked, step["settings"])}  # type: ignore[no-untyped-call]  # it is of Python 3.6
            for step in numbered(case, steps, shows)
        ],
        verbs={step.verb for step in case.text.steps},
    )
    return text.strip("\n") + "\n"


def network(asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The layers of a case; a single one is a network of one."""
    return asked.get("network") or [{"kind": "batch_norm", "name": "layer", **asked["layer"]}]


def flat(entries: Iterable[Mapping[str, Any]], within: str = "") -> Iterator[dict[str, Any]]:
    """The entries of all levels in order, each with its `path` in the network, as a.b.c."""
    for entry in entries:
        path = within + entry["name"]
        yield {**entry, "path": path}
        yield from flat(entry.get("layers", ()), f"{path}.")


def reached(placed: Mapping[str, Mapping[str, Any]], of: str) -> list[Mapping[str, Any]]:
    """The layers and models that a name means: all of them, or one and what lies in it."""
    if of in ("layer", "model"):
        return list(placed.values())
    path = placed[of]["path"]
    return [entry for entry in placed.values() if f"{entry['path']}.".startswith(f"{path}.")]


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
    found.filters |= {"literal": literal, "share": share, "reached": reached}
    found.filters["combined"] = lambda one, other: {**one, **other}
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
    dtype = NUMPY.get(case.text.dtype, case.text.dtype)
    if isinstance(value, Drawn) and not value.skip and array.size > MOST:
        method = "random_sample" if value.normal is None else "standard_normal"
        factor = f" * {value.scale}" if value.scale != 1 else ""
        shift = f" + {value.shift}" if value.shift else ""
        drawn = f"np.random.RandomState({value.random_state}).{method}({list(array.shape)}){factor}{shift}"
        return f'({drawn}).astype("{dtype}")'
    if not array.size:
        return f'np.zeros({list(array.shape)}, "{dtype}")'
    return f'np.array({literal(array, dtype)}, "{dtype}")'


def literal(array: NDArray[Any] | None, dtype: str = "float32") -> str:
    """An array of a type as nested lists of the shortest numbers."""
    return "None" if array is None else listed(array.astype(NUMPY.get(dtype, dtype)), shortest)


def listed(array: NDArray[Any], spell: Callable[[Any], str]) -> str:
    """An array as nested lists of numbers."""
    return "[" + ", ".join(listed(row, spell) for row in array) + "]" if array.ndim else spell(array)


def shortest(number: Any) -> str:
    """A number in the fewest digits that tell it from others of its type."""
    return str(number).removesuffix(".0") if np.isfinite(number) else f"float('{number}')"


def numbered(case: Case, steps: Sequence[Mapping[str, Any]], shows: Sequence[Wanted]) -> Iterator[dict[str, Any]]:
    """The steps as a template gets them, each with what it should show: what changes, or was seen to, or departs."""
    relative = allowed(shows)
    before: Mapping[str, NDArray[Any] | None] = {}
    sent_before: Mapping[str, Any] = {}
    types: Mapping[str, str] = {}
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
            or not same(before[name], value)
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
            "relative": f"{relative:.0e}".replace("e-0", "e-"),
            "bounds": allowances(want, fresh, relative),
            "dtypes": {name: dtype for name, dtype in want.dtypes.items() if types.get(name) != dtype},
            "extra": "None" in fresh.values(),
            "assigned": assigned,
        } | told
        types = want.dtypes


def allowed(shows: Iterable[Wanted]) -> float:
    """What a script allows for in any case: less than usual where it could not see the first step that departs."""
    first = next((want for want in shows if want.departing), None)
    least = max(first.beyond.values(), default=np.inf) if first else np.inf
    return RELATIVE if least > RELATIVE else float(10 ** np.floor(np.log10(least / 2)))


def allowances(want: Wanted, names: Iterable[str], relative: float) -> str:
    """How far quantities may be off where that is more than what a script allows for: one number, or one for each."""
    found = {
        name: allowance(want.quantities[name], want.bounds.get(name), want.departing.get(name, 0), relative)
        for name in names
    }
    told = ", ".join(f'"{name}": {allowed}' for name, allowed in found.items() if allowed)
    return told and "{" + told + "}"


def allowance(value: NDArray[Any] | None, bounds: Floats | None, row: int, relative: float) -> str:
    """The allowance for one quantity; empty where it needs none."""
    if value is None or bounds is None or bounds.shape != value.shape:
        return ""
    needed = np.nan_to_num(bounds, nan=np.inf) > relative * np.abs(value)
    if not needed.any():
        return ""
    if relative == RELATIVE and bounds.max() <= NARROW * bounds.min():
        return short(bounds.max())
    kept = cut(np.where(needed, bounds, 0), row)
    return "" if kept is None else listed(kept, short if relative == RELATIVE else long)


def short(number: float) -> str:
    """A bound in two digits, rounded up."""
    return long(number) if number == 0 or not np.isfinite(number) else f"{1.05 * number:.1e}"


def long(number: float) -> str:
    """A bound in as many digits as it takes to see what is just outside."""
    return "0" if number == 0 else f"{number:.6e}" if np.isfinite(number) else "float('inf')"


def same(one: NDArray[Any] | None, other: NDArray[Any] | None) -> bool:
    """Whether two arrays have the same numbers, or neither is there."""
    return one is other if one is None or other is None else np.array_equal(one, other, equal_nan=True)


def cut(array: NDArray[Any] | None, row: int) -> NDArray[Any] | None:
    """The first rows of an array that is large, up to one that must be seen."""
    if array is None or array.size <= MOST:
        return array
    return array[: max(row + 1, MOST // max(array[:1].size, 1), 1)]
