"""The moving statistics of a case over its steps, one line for each class of behaviour: what the page plots."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.judge import Compared, Result

STATISTICS = ("moving_mean", "moving_variance")
FEWEST = 2
MOST_CHANNELS = 8
VISIBLE = 1e-3


def series(rows: list[tuple[Result | None, str]]) -> list[dict[str, Any]]:
    """For each moving statistic in which classes differ: its name, the channel, and a line for each letter."""
    first = {letter: row for row, letter in reversed(rows) if row is not None and letter}
    if len(first) < FEWEST:
        return []
    lines = {letter: lined(row) for letter, row in sorted(first.items(), key=lambda item: (len(item[0]), item[0]))}
    names = dict.fromkeys(name for line in lines.values() for name in line)
    plots = []
    for statistic in STATISTICS:
        named = [(name, channel) for name, channel in names if name.split(".")[-1] == statistic]
        widest = max(named, key=lambda key: apart([line.get(key, []) for line in lines.values()]), default=None)
        if widest and apart([line.get(widest, []) for line in lines.values()]) > VISIBLE:
            drawn = {letter: line[widest] for letter, line in lines.items() if widest in line}
            plots.append({"name": widest[0], "channel": widest[1], "lines": drawn})
    return plots


Key = tuple[str, int]


def lined(result: Result) -> dict[Key, list[float | None]]:
    """Every channel of every moving statistic over the steps; None where it is not a finite number."""
    found: dict[Key, list[float | None]] = {}
    for place, step in enumerate(result.steps):
        for item in step:
            values = numbers_of(item)
            if item.name.split(".")[-1] in STATISTICS and values is not None:
                for channel, value in enumerate(values[:MOST_CHANNELS]):
                    line = found.setdefault((item.name, channel), [None] * len(result.steps))
                    line[place] = float(f"{value:.6g}") if np.isfinite(value) else None
    return found


def numbers_of(item: Compared) -> list[float] | None:
    """The numbers of a quantity: the reference's where it conforms."""
    value = item.observed if item.divergence else item.expected
    return value.ravel().tolist() if isinstance(value, np.ndarray) else None


def apart(lines: list[list[float | None]]) -> float:
    """How far lines are from each other where they are furthest, in units of the largest number there is."""
    widest, largest = 0.0, 1e-30
    for values in zip(*(line for line in lines if line), strict=False):
        there = [value for value in values if value is not None]
        if len(there) >= FEWEST:
            widest = max(widest, max(there) - min(there))
        largest = max([largest, *map(abs, there)])
    return widest / largest
