"""A report as one page of HTML that needs nothing but itself: no network, no script, no other file.

Whatever comes from cases, adapters and frameworks is text to the template, which escapes it; `fit` makes it fit to be
shown. The same report gives the same bytes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from conformance.case import BatchNorm, BatchNormEntry, Case, Dense, DenseEntry
from conformance.dialect import STANDARD
from conformance.judge import VERDICTS, Compared, Divergence, Result
from conformance.render.words import GLYPHS, MOST, amount, numbers, sentence, why
from conformance.report import Column, Report

LONGEST = 2000
WORTH_CUTTING = 100
LONGEST_HINT = 240
TONES = {"conforms": "good", "known": "noted", "unsupported": "none", "unavailable": "none"}
UNFIT = re.compile(  # control codes, what turns the direction of the text that follows, and what is no character
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)
LINK = re.compile(r"(https?://[^\s<>\"']+[^\s<>\"'.,;:!?)\]])")


def write_page(report: Report, page: Path) -> None:
    """Write the page of a report."""
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_bytes(html(report).encode())


def html(report: Report) -> str:
    """The page of a report."""
    heads = named(report.columns)
    verdicts = [verdict for verdict in VERDICTS if any(verdict in column.counts for column in report.columns)]
    return template().render(
        heads=heads,
        groups=[list(group) for _, group in groupby(heads, key=lambda head: head.group)],
        subjects=subjects(report.cases, heads),
        cases=len(report.cases),
        current={case.id for case in report.cases},
        used=verdicts,
    )


@cache
def template() -> Template:
    """The template, compiled, with the words that it may use."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        finalize=fit,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"anchor": anchor, "times": times, "told": told, "hint": hint, "numbers": numbers}
    environment.globals |= {
        "VERDICTS": VERDICTS,
        "GLYPHS": GLYPHS,
        "TONES": TONES,
        "pieces": pieces,
        "sentence": sentence,
        "settings": settings,
        "table": table,
        "why": why,
    }
    environment.tests["web"] = web
    return environment.get_template("page.html.j2")


# Texts that come from elsewhere


def fit(value: object) -> object:
    """What the template is about to print: texts mended, everything else as it is."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return value if len(value) <= LONGEST and value.isprintable() else mended(value)
    return value


def mended(text: str) -> str:
    """A text cut where cutting is worth it, which is said, with a sign in place of every code that has no sign."""
    cut = len(text) - LONGEST
    kept = f"{text[:LONGEST]} … (cut: {cut:,} more characters)" if cut > WORTH_CUTTING else text
    return UNFIT.sub("\ufffd", kept.replace("\r\n", "\n"))


def hint(text: str) -> str:
    """A text short enough for a tooltip."""
    return text if len(text) <= LONGEST_HINT else text[:LONGEST_HINT] + " …"


def anchor(*parts: str) -> str:
    """The id of an element, which is also how links write it."""
    return quote("/".join(parts), safe="/+", errors="replace")


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    """A text in pieces, each with whether it is an address on the web."""
    for index, piece in enumerate(LINK.split(mended(text))):
        yield piece, index % 2 == 1


def web(address: str) -> bool:
    """Whether a text can be made a link."""
    return address.startswith(("https://", "http://")) and len(address) <= LONGEST


def told(value: object) -> str:
    """A value of a run's header, of whatever kind, in words."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {told(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return " ".join(map(told, value))
    return str(value)


def times(error: float) -> str:
    """An error in units of the bound; one that is larger than the bound says so."""
    text = amount(error)
    return text + "×" if error > 1 and text[0].isdigit() else text


# Targets and cases


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
    """A case with its result for every target; None where it was not run."""

    case: Case
    results: list[tuple[Head, Result | None]]

    @property
    def short(self) -> str:
        """The id without the subject."""
        return self.case.id.partition("/")[2] or self.case.id

    @property
    def plain(self) -> bool:
        """Whether no target departs from its reference, known to or not."""
        return all(result is None or result.verdict in ("conforms", "unsupported") for _, result in self.results)


@dataclass(frozen=True, slots=True)
class Subject:
    """The cases of one folder."""

    name: str
    lines: list[Line]

    @property
    def plain(self) -> bool:
        """Whether all its cases are."""
        return all(line.plain for line in self.lines)


def subjects(cases: list[Case], heads: list[Head]) -> list[Subject]:
    """Cases by the first folder of their id, in the order of the report."""
    lines: dict[str, list[Line]] = {}
    for case in cases:
        results = [(head, head.column.results.get(case.id)) for head in heads]
        lines.setdefault(case.id.partition("/")[0], []).append(Line(case, results))
    return [Subject(folder, inside) for folder, inside in lines.items()]


def settings(case: Case) -> Iterator[tuple[str, str]]:
    """Each layer of a case: what kind it is, and what the case says of it."""
    if case.text.layer is not None:
        yield "batch_norm", _settings(case.text.layer)
    for entry in case.text.network or ():
        if isinstance(entry, DenseEntry):
            yield "dense", _settings(entry.dense)
        elif isinstance(entry, BatchNormEntry):
            yield "batch_norm", _settings(entry.batch_norm)
        else:
            yield "activation", entry.activation


def _settings(layer: BatchNorm | Dense) -> str:
    said = ((key, getattr(layer, key)) for key in type(layer).model_fields if key in layer.model_fields_set)
    return ", ".join(f"{key}: {numbers(value) if isinstance(value, np.ndarray) else value}" for key, value in said)


# The steps of one result


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
    before: dict[str, tuple[bytes, bytes]] = {}
    stages = []
    for index in range(max(len(result.steps), len(case.text.steps)) if result.steps else 0):
        done = sentence(case.text.steps[index]) if index < len(case.text.steps) else "one step too many"
        quantities = result.steps[index] if index < len(result.steps) else ()
        stages.append(Stage(done, result.raised.get(index, ""), *_rows(quantities, before, result.first)))
    return stages, any(row.observed for stage in stages for row in stage.rows)


def _rows(
    quantities: Iterable[Compared], before: dict[str, tuple[bytes, bytes]], first: Divergence | None
) -> tuple[list[Row], list[str]]:
    """A row for every quantity that changed or departs, and the names of the others; notes all of them in `before`."""
    rows, unchanged = [], []
    for item in quantities:
        now = _bits(item)
        if now == before.get(item.name) and not item.divergence:
            unchanged.append(item.name)
        else:
            rows.append(_row(item, first))
        before[item.name] = now
    return rows, unchanged


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
