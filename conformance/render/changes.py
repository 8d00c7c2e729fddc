"""A comparison as the compact data of the page's compare view: columns of targets, and what became of every case."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

import numpy as np

from conformance.behaviour import Shown, same, shown
from conformance.compare import KINDS, Change, Comparison
from conformance.judge import VERDICTS, Result
from conformance.render.text import fit
from conformance.render.view import Head
from conformance.render.words import numbers, why
from conformance.runs import Target

SIGNS = {
    "regressed": ("▼", "bad"),
    "fixed": ("▲", "good"),
    "changed": ("≠", "noted"),
    "new": ("+", "none"),
    "removed": ("−", "none"),
    "same": ("=", "same"),
}
FEW = 6
ORDER, KIND_ORDER = list(VERDICTS), list(KINDS)


def changes(made: Comparison, heads: list[Head]) -> dict[str, Any]:
    """A change is [kind, verdict before, verdict after, why before, why after, what moved]; texts stand once."""
    texts: dict[str, int] = {"": 0}
    cases: dict[str, list[Any]] = {}
    for change in made.changes:
        row = cases.setdefault(change.case, [None] * len(made.pairs))
        row[change.place] = told(change, texts)
    return {
        "kinds": [[kind, *SIGNS[kind], KINDS[kind], made.counts[kind]] for kind in KINDS],
        "pairs": pairs(made, heads),
        "cases": cases,
        "texts": list(texts),
    }


def told(change: Change, texts: dict[str, int]) -> list[int]:
    """One change; what is the same says no more than its verdict."""
    sides = (change.before, change.after)
    said = [KIND_ORDER.index(change.kind), *(ORDER.index(side.verdict) if side else -1 for side in sides)]
    if change.kind == "same":
        return said
    words = [why(side) if side else "" for side in sides]
    words.append(moved(*sides) if change.before and change.after else "")
    return said + [texts.setdefault(fit(text), len(texts)) for text in words]


def pairs(made: Comparison, heads: list[Head]) -> list[dict[str, Any]]:
    """The columns: who was held against whom, and the place of the later one among the targets of the report."""
    places: dict[Target, list[int]] = {}
    for place, head in enumerate(heads):
        places.setdefault(head.column.target, []).append(place)
    found = [pair(old, new, places[new].pop(0) if new else -1) for old, new in made.pairs]
    return [one | {"declared": turns} for one, turns in zip(found, made.declared, strict=True)]


def pair(old: Target | None, new: Target | None, place: int) -> dict[str, Any]:
    """One column."""
    there = new or old
    environments = dict.fromkeys(side.environment for side in (old, new) if side)
    return {
        "place": place,
        "adapter": fit(there.adapter) if there else "",
        "mode": fit(there.mode) if there else "",
        "label": fit(there.label) if there else "",
        "environment": fit(" → ".join(environments)),
    }


def moved(before: Result | None, after: Result | None) -> str:
    """The first quantity that is not what it was; empty where there is none."""
    steps = zip_longest(before.steps if before else (), after.steps if after else (), fillvalue=())
    for number, sides in enumerate(steps, 1):
        was, now = (shown(side) for side in sides)
        for name in dict.fromkeys((*was, *now)):
            if name not in was or name not in now or not same(was[name], now[name]):
                return f"step {number}: {name} was {value(was.get(name))}, is {value(now.get(name))}"
    return ""


def value(one: Shown | None) -> str:
    """A quantity in a few numbers, with its type where it is not the usual one."""
    if one is None or one.value is None:
        return "not there"
    said = numbers(one.value, most=FEW) if isinstance(one.value, np.ndarray) else str(one.value)
    return said if one.dtype in ("", "float32") else f"{said} ({one.dtype})"
