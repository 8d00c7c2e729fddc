"""The steps of one result as a table: what was expected, what was observed, what is as it was before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from conformance.case import Case
from conformance.judge import Compared, Divergence, Result
from conformance.render.words import MOST, numbers, times


class Row(NamedTuple):
    """One quantity after a step; `observed` is empty where it prints like what is expected."""

    name: str
    expected: str
    observed: str
    error: str
    note: str
    departs: bool
    first: bool


class Stage(NamedTuple):
    """One step of a case: what was raised, what there is to see, and what is as before."""

    raised: str
    rows: list[Row]
    unchanged: list[str]


def table(result: Result, case: Case) -> tuple[list[Stage], bool]:
    """The steps of a result, and whether expected and observed print differently anywhere in them."""
    before: dict[str, Compared] = {}
    stages = []
    for index in range(max(len(result.steps), len(case.text.steps)) if result.steps or result.raised else 0):
        quantities = result.steps[index] if index < len(result.steps) else ()
        stages.append(Stage(result.raised.get(index, ""), *_rows(quantities, before, result.first)))
    return stages, any(row.observed for stage in stages for row in stage.rows)


def _rows(
    quantities: Iterable[Compared], before: dict[str, Compared], first: Divergence | None
) -> tuple[list[Row], list[str]]:
    """A row for every quantity that changed or departs, and the names of the others; notes all of them in `before`."""
    rows, unchanged = [], []
    for item in quantities:
        if _unchanged(item, before.get(item.name)):
            unchanged.append(item.name)
        else:
            rows.append(_row(item, first))
        before[item.name] = item
    return rows, unchanged


def _unchanged(item: Compared, before: Compared | None) -> bool:
    """Whether a quantity is as it should be, and bit for bit what it was."""
    if item.divergence or before is None:
        return False
    return item is before or _bits(item) == _bits(before)


def _bits(item: Compared) -> tuple[bytes, bytes]:
    expected = b"" if item.expected is None else item.expected.tobytes()
    return expected, item.observed.tobytes() if isinstance(item.observed, np.ndarray) else b""


def _row(item: Compared, first: Divergence | None) -> Row:
    digits = 9 if item.divergence else 6
    expected = "nothing" if item.expected is None else numbers(item.expected, digits)
    observed = numbers(item.observed, digits) if isinstance(item.observed, np.ndarray) else str(item.observed)
    return Row(
        item.name,
        expected,
        "" if observed == expected else observed,
        times(item.error),
        _note(item.divergence, item.observed) if item.divergence else "",
        item.divergence is not None,
        item.divergence is not None and item.divergence == first,
    )


def _note(divergence: Divergence, observed: object) -> str:
    """What the numbers of a row leave open: which of them departs most, or what is wrong with all of them."""
    if not isinstance(observed, np.ndarray):
        return ""
    if divergence.expected is None or divergence.observed is None:
        return divergence.what
    if observed.size == 1:
        return ""
    said = f"{divergence.observed:.9g} where {divergence.expected:.9g} was promised"
    return f"worst at {list(divergence.index)}" + (f": {said}" if observed.size > MOST else "")
