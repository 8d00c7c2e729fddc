"""A report as the page shows it: targets side by side, cases by subject."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from conformance.behaviour import Behaviour, by_place
from conformance.case import Case
from conformance.judge import GREEN, VERDICTS, Result
from conformance.layers import AgainEntry, BatchNorm, BatchNormEntry, Dense, DenseEntry, Entry, ModelEntry
from conformance.render.words import numbers
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
        return self.column.departs

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
