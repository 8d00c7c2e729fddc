"""A report as the page shows it: targets side by side, cases by subject, and the steps of one result as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from conformance.behaviour import Behaviour, by_place
from conformance.case import Case
from conformance.dialect import STANDARD
from conformance.judge import GREEN, VERDICTS, Compared, Divergence, Result
from conformance.layers import AgainEntry, BatchNorm, BatchNormEntry, Dense, DenseEntry, Entry, ModelEntry
from conformance.render.words import GLYPHS, MOST, numbers, sentence, times
from conformance.report import Column, Report

FEW = 4
RED = tuple(verdict for verdict in VERDICTS if verdict not in (*GREEN, "unavailable"))


@dataclass(frozen=True, slots=True)
class Head:
    """A target with the name that its links carry."""

    name: str
    column: Column

    @property
    def group(self) -> tuple[str, str]:
        """What it has in common with its other modes."""
        return self.column.target.adapter, self.column.target.environment

    @property
    def mode(self) -> str:
        """What tells it apart within its group."""
        target = self.column.target
        return target.mode if target.device == "cpu" else f"{target.mode}, {target.device}"

    @property
    def worst(self) -> float | None:
        """The largest error of all cases that conform; None where none does."""
        conforming = [result.error for result in self.column.results.values() if result.verdict == "conforms"]
        return max(conforming, default=None)

    @property
    def unexplained(self) -> int:
        """How many divergences have no explanation."""
        results = self.column.results.values()
        return sum(result.verdict == "diverges" and not result.explanation for result in results)

    @property
    def departs(self) -> dict[str, str]:
        """The knobs in which the declared dialect departs from the standard."""
        return self.column.dialect.differences(STANDARD)

    def provenance(self, key: str) -> str:
        """One entry of what the run says of itself; empty where it says nothing."""
        text = told(self.column.run.header.provenance.get(key, ""))
        return text.replace("T", " ", 1).replace("+00:00", " UTC") if key == "started" else text


def told(value: object) -> str:
    """A value of a run's header, of whatever kind, in words."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {told(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return " ".join(map(told, value))
    return str(value)


def named(columns: list[Column]) -> list[Head]:
    """Columns with names of their own, the modes of an adapter side by side; a second run of a target is numbered."""
    seen: Counter[str] = Counter()
    heads = []
    for column in columns:
        seen[column.target.name] += 1
        number = seen[column.target.name]
        heads.append(Head(column.target.name + (f"~{number}" if number > 1 else ""), column))
    order = list(dict.fromkeys(head.group for head in heads))
    return sorted(heads, key=lambda head: order.index(head.group))


@dataclass(frozen=True, slots=True)
class Line:
    """A case with its result and the letter of its behaviour for every target; None where it was not run."""

    case: Case
    cells: list[tuple[Result | None, str]]
    classes: list[tuple[str, str, str]]

    @property
    def short(self) -> str:
        """The id without the subject."""
        return self.case.id.partition("/")[2] or self.case.id


@dataclass(frozen=True, slots=True)
class Subject:
    """The cases of one folder."""

    name: str
    lines: list[Line]

    @property
    def apart(self) -> bool:
        """Whether these are not the questions that people ask: those come first where people read."""
        return self.name != "questions"

    @property
    def sums(self) -> list[tuple[str, str]]:
        """For every target what needs a look in it, and the tone of that."""
        return [summed([line.cells[place][0] for line in self.lines]) for place in range(len(self.lines[0].cells))]


def summed(results: list[Result | None]) -> tuple[str, str]:
    """The results of a target in a subject in one or two signs: what is red, else what is known, else what conforms."""
    there = [result for result in results if result is not None]
    for verdicts, tone in ((RED, "bad"), (("known",), "noted"), (("conforms",), "good"), (VERDICTS, "none")):
        found = [result.verdict for result in there if result.verdict in verdicts]
        if found:
            return f"{GLYPHS[found[0]]} {len(found)}", tone
    return "", ""


def subjects(report: Report, heads: list[Head]) -> list[Subject]:
    """Cases by the first folder of their id, in the order of the report."""
    place = {id(column): number for number, column in enumerate(report.columns)}
    columns = [place[id(head.column)] for head in heads]
    lines: dict[str, list[Line]] = {}
    for case in report.cases:
        classes = report.behaviours[case.id]
        letters = by_place(classes)
        cells = [
            (head.column.results.get(case.id), letters.get(column, ""))
            for head, column in zip(heads, columns, strict=True)
        ]
        several = [(one.letter, members(one, report), ", ".join(one.knobs)) for one in classes] if classes[1:] else []
        lines.setdefault(case.id.partition("/")[0], []).append(Line(case, cells, several))
    return [Subject(folder, inside) for folder, inside in lines.items()]


def members(behaviour: Behaviour, report: Report) -> str:
    """The targets of a class: adapters and modes, the first few by name."""
    labels = list(dict.fromkeys(report.columns[place].target.label for place in behaviour.members))
    more = f" and {len(labels) - FEW} more" if len(labels) > FEW else ""
    return ", ".join(labels[:FEW]) + more


def settings(case: Case) -> Iterator[tuple[str, str]]:
    """Each layer of a case: what kind it is, and what the case says of it."""
    if case.text.layer is not None:
        yield "batch_norm", _settings(case.text.layer)
    yield from _entries(case.text.network or [])


def _entries(entries: list[Entry]) -> Iterator[tuple[str, str]]:
    for entry in entries:
        if isinstance(entry, DenseEntry):
            yield "dense", _settings(entry.dense)
        elif isinstance(entry, BatchNormEntry):
            yield "batch_norm", _settings(entry.batch_norm)
        elif isinstance(entry, ModelEntry):
            yield "model", f"name: {entry.model.name}, with these layers"
            yield from _entries(entry.model.layers)
            yield "end of", entry.model.name
        elif isinstance(entry, AgainEntry):
            yield "again", entry.again
        else:
            yield "activation", entry.activation


def _settings(layer: BatchNorm | Dense) -> str:
    said = ((key, getattr(layer, key)) for key in type(layer).model_fields if key in layer.model_fields_set)
    return ", ".join(f"{key}: {numbers(value) if isinstance(value, np.ndarray) else value}" for key, value in said)


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
    """One step of a case: what was done, what was raised, what there is to see, and what is as before."""

    done: str
    raised: str
    rows: list[Row]
    unchanged: list[str]


def table(result: Result, case: Case) -> tuple[list[Stage], bool]:
    """The steps of a result, and whether expected and observed print differently anywhere in them."""
    before: dict[str, Compared] = {}
    stages = []
    for index in range(max(len(result.steps), len(case.text.steps)) if result.steps or result.raised else 0):
        done = sentence(case.text.steps[index]) if index < len(case.text.steps) else "one step too many"
        quantities = result.steps[index] if index < len(result.steps) else ()
        stages.append(Stage(done, result.raised.get(index, ""), *_rows(quantities, before, result.first)))
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
