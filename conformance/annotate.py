"""What is red, as GitHub's workflow commands: `::error file=…,line=…,title=…::message`, one line each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from conformance.corpus import Corpus
from conformance.judge import Result
from conformance.load import decode, read
from conformance.render.words import why
from conformance.report import Column, Report
from conformance.strict_yaml import BadInput, parse


def annotated(report: Report, corpus: Corpus, here: Path) -> Iterator[str]:
    """A line for every red result, and for every run that was cut off or is not the same every time."""
    for column in report.columns:
        label = column.target.label
        if not column.run.complete:
            yield command("error", "the run was cut off", title=label)
        for case_id, what in column.unsteady.items():
            yield command("error", what, **place(corpus, case_id, None, here), title=f"{label}: {case_id}")
        yield from (one(column, result, corpus, here) for result in column.results.values() if not result.green)


def one(column: Column, result: Result, corpus: Corpus, here: Path) -> str:
    """One red result."""
    step = result.first.step if result.first else None
    title = f"{column.target.label} {result.verdict}: {result.case}"
    return command("error", why(result), **place(corpus, result.case, step, here), title=title)


def place(corpus: Corpus, case_id: str, step: int | None, here: Path) -> dict[str, str]:
    """The file, and the line of the step, where the case lies below the folder that is checked out."""
    path = (corpus.root / f"{case_id}.yaml").resolve()
    if not path.is_relative_to(here.resolve()):
        return {}
    return {"file": path.relative_to(here.resolve()).as_posix(), "line": str(line(path, step))}


def line(path: Path, step: int | None) -> int:
    """The line in which a step begins; the first without one."""
    try:
        marks = parse(decode(read(path), str(path)), str(path)).marks
    except BadInput:
        return 1
    return marks.get(("steps", step), (1, 1))[0] if step is not None else 1


def command(kind: str, message: str, **properties: str) -> str:
    """A workflow command; what would end it or one of its properties is written as its code."""
    given = ",".join(f"{name}={escaped(value, ':,')}" for name, value in properties.items())
    return f"::{kind} {given}::{escaped(message)}"


def escaped(text: str, more: str = "") -> str:
    """Text in which the percent sign, line ends and some other characters are written as %XX."""
    return "".join(f"%{ord(one):02X}" if one in "%\r\n" + more else one for one in text)
