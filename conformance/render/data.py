"""A report as the compact data that the page's script draws its views from: every text and every table stands once.

A result is [verdict, letter, error, why, table, script]: the error is a text, the others but the letter are places
in lists; without a script the last of them is left out.
Arrays are cut to their first numbers by `words.numbers`, which says so.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from conformance.behaviour import Behaviour, by_place
from conformance.case import Case
from conformance.dialect import KNOBS, STANDARD, Dialect
from conformance.judge import VERDICTS, Result
from conformance.render.scripts import script
from conformance.render.series import series
from conformance.render.spellings import consequences, said, spellings
from conformance.render.table import table
from conformance.render.text import fit
from conformance.render.view import RED, Head, settings
from conformance.render.words import GLYPHS, TONES, measured, numbers, sentence, taken_over, why
from conformance.report import Report

FACTS = ("command", "started", "suite", "python", "platform", "versions", "settings", "timeout")
BINS = (
    (0.0, "0"),
    (0.01, "to 0.01"),
    (0.1, "to 0.1"),
    (0.5, "to 0.5"),
    (1.0, "to 1"),
    (10.0, "to 10"),
    (1e3, "to 1,000"),
)
ORDER = list(VERDICTS)
LEVEL = 5  # 6 takes twice as long for 4 % of the page, 9 five times as long for 7 %


def packed(value: object) -> str:
    """A JSON value, deflated."""
    return deflated(json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False))


@lru_cache(maxsize=2)
def deflated(text: str) -> str:
    """A text, deflated, in base64: what the browser's DecompressionStream('deflate') takes."""
    return base64.b64encode(zlib.compress(text.encode(), LEVEL)).decode() if text else ""


def unpacked(text: str) -> Any:
    """What was packed."""
    return json.loads(zlib.decompress(base64.b64decode(text)))


class Table:
    """A list in which every value stands once."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.places: dict[Any, int] = {}

    def place(self, value: Any) -> int:
        """Where a value stands."""
        if value not in self.places:
            self.places[value] = len(self.values)
            self.values.append(value)
        return self.places[value]


def data(report: Report, heads: list[Head]) -> tuple[dict[str, Any], list[list[Any]]]:
    """What the views of a report show, and the tables and scripts of every case, which most views do without."""
    place = {id(column): number for number, column in enumerate(report.columns)}
    columns = [place[id(head.column)] for head in heads]
    cases = [of_case(case, heads, columns, report.behaviours[case.id]) for case in report.cases]
    tables = [[case.pop("tables"), case.pop("scripts")] for case in cases]
    shown = {
        "verdicts": [[verdict, GLYPHS[verdict], TONES.get(verdict, "bad"), verdict in RED] for verdict in ORDER],
        "knobs": meanings(),
        "consequences": consequences(),
        "spellings": spellings(report.columns),
        "layer": said(),
        "standard": {knob: getattr(STANDARD, knob) for knob in KNOBS},
        "targets": [target(head) for head in heads],
        "cases": cases,
    }
    return shown, tables


def meanings() -> dict[str, str]:
    """What the knobs mean, as the dialect's own documentation says it."""
    paragraphs = re.findall(r"^ {4}(\w+): (.*?)(?=^ {4}\w+: |\Z)", Dialect.__doc__ or "", re.MULTILINE | re.DOTALL)
    return {knob: " ".join(text.split()) for knob, text in paragraphs}


def target(head: Head) -> dict[str, Any]:
    """Who was run, where and with what, what it declares, and how its errors are spread."""
    column = head.column
    run, who = column.run, column.target
    about = run.header.provenance.get("about", ())
    return {
        "name": head.name,
        "label": fit(who.label),
        "adapter": fit(who.adapter),
        "mode": fit(who.mode),
        "head": fit(head.mode),
        "environment": fit(who.environment),
        "dialect": {knob: getattr(column.dialect, knob) for knob in KNOBS},
        "about": [fit(str(word)) for word in about],
        "facts": [[name, fit(told)] for name, told in facts(head) if told],
        "cut": None if run.complete else [len(run.places), len(run.header.cases)],
        "errors": spread(head),
        "inferred": inferred(head),
    }


def facts(head: Head) -> Iterator[tuple[str, str]]:
    """What a run says of itself, and how much of it comes from an earlier one."""
    yield from ((name, head.provenance(name)) for name in FACTS)
    run = head.column.run
    yield "reused", taken_over(run.reused, len(run.places)) if run.reused else ""


def spread(head: Head) -> list[list[Any]]:
    """How many cases have a worst error of which size; the last are those without measure or beyond all."""
    errors = [result.error for result in head.column.results.values() if result.steps]
    counted = Counter(next((name for most, name in BINS if error <= most), "more, or ∞") for error in errors)
    return [[name, counted[name]] for name in [*(name for _, name in BINS), "more, or ∞"]]


def inferred(head: Head) -> dict[str, Any] | None:
    """What the observations show of the dialect, where that has been worked out."""
    found = head.column.inferred
    if found is None:
        return None
    return found.model_dump(exclude={"digest"})


def of_case(case: Case, heads: list[Head], columns: list[int], classes: list[Behaviour]) -> dict[str, Any]:
    """A case: what it says, its results by target, and the texts and tables that they refer to."""
    text = case.text
    letters, whys, tables, scripts = by_place(classes), Table(), Table(), Table()
    rows = [head.column.results.get(case.id) for head in heads]
    results = [
        of_result(row, case, letters.get(column, ""), whys, tables) for row, column in zip(rows, columns, strict=True)
    ]
    for head, row, sent in zip(heads, rows, results, strict=True):
        if sent and (written := script(case, head.column.target, row)):
            sent.append(scripts.place(written))
    return {
        "id": case.id,
        "title": fit(text.title),
        **{name: fit(said) for name in ("question", "answer", "effect") if (said := getattr(text, name))},
        "statements": text.statements,
        "sources": [[fit(source.url), fit(source.says or "")] for source in text.sources],
        "formerly": text.formerly,
        "settings": [[kind, fit(said)] for kind, said in settings(case)],
        "data": [[fit(name), fit(numbers(array))] for name, array in case.data.items()],
        "steps": [fit(sentence(step)) for step in text.steps],
        "results": results,
        "knobs": {one.letter: one.knobs for one in classes if one.knobs},
        "whys": whys.values,
        "tables": tables.values,
        "scripts": scripts.values,
        "series": series([(row, letters.get(column, "")) for row, column in zip(rows, columns, strict=True)]),
    }


def of_result(result: Result | None, case: Case, letter: str, whys: Table, tables: Table) -> list[Any] | None:
    """One cell of the matrix and what is behind it; None where it was not run."""
    if result is None:
        return None
    reason = fit(why(result))
    return [
        ORDER.index(result.verdict),
        letter,
        measured(result),
        whys.place(reason) if reason else -1,
        tables.place(stages(result, case)) if result.steps or result.raised else -1,
    ]


def stages(result: Result, case: Case) -> tuple[Any, ...]:
    """The steps of a result: what was raised, a row for every quantity that changed, the names of the others.

    The error of a row is left out where it is within the bound: what conforms alike is then stored once.
    """
    return tuple(
        (
            fit(stage.raised),
            tuple(
                (
                    fit(row.name),
                    fit(row.expected),
                    fit(row.observed),
                    row.error if row.departs else "",
                    fit(row.note),
                    row.departs + row.first,
                )
                for row in stage.rows
            ),
            tuple(map(fit, stage.unchanged)),
        )
        for stage in table(result, case)[0]
    )
