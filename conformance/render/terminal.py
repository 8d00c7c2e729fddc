"""Cases and reports in a terminal."""

from __future__ import annotations

import os

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from conformance.case import Case
from conformance.compare import KINDS, Change, Comparison
from conformance.dialect import STANDARD, Dialect
from conformance.judge import VERDICTS, K, Result
from conformance.reference import trace
from conformance.render.text import fit
from conformance.render.words import GLYPHS, amount, numbers, sentence, taken_over, why
from conformance.report import Report
from conformance.rounding import EPS

__all__ = ["comparison", "print_case", "print_report", "print_steps", "why"]


LOG_WIDTH = 140


def wide() -> Console:
    """The terminal as wide as it is; a log, which has no width of its own, wide enough for the names of targets."""
    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = LOG_WIDTH
    return console


def print_case(case: Case, dialect: Dialect, console: Console | None = None) -> None:
    """A case: what it says, its data, and the reference's trace."""
    console = console or wide()
    text = case.text
    console.print(f"[bold]{escape(case.id)}[/]\n{escape(text.title)}")
    for name in ("question", "answer", "effect"):
        if getattr(text, name):
            console.print(f"[dim]{name}:[/] {escape(getattr(text, name).strip())}")
    for source in text.sources:
        console.print(f"[dim]source:[/] {escape(source.url)}", soft_wrap=True)
    for name, array in case.data.items():
        console.print(f"[dim]data {escape(name)}[/] {array.shape}: {escape(numbers(array))}", soft_wrap=True)
    departs = dialect.differences(STANDARD)
    under = ", ".join(f"{knob} = {value}" for knob, value in departs.items()) or "the standard"
    table = Table(title=f"reference under {under}", title_justify="left")
    for column in ("step", "quantity", "value", "bound"):
        table.add_column(column, overflow="fold")
    for step, outcome in zip(text.steps, trace(case, dialect), strict=True):
        table.add_section()
        first = sentence(step) + (" raises an error" if outcome.raises else "")
        for name, value in outcome.quantities.items():
            bound = float(value.scale.max(initial=0)) * K * EPS
            table.add_row(escape(first), name, escape(numbers(value.expected)), f"{bound:.1e}")
            first = ""
    console.print(table)


STYLES = {"conforms": "green", "known": "yellow", "unsupported": "dim", "unavailable": "dim"}


def styled(verdict: str) -> str:
    """A verdict with its glyph and, in colour, whether it needs a look."""
    return f"[{STYLES.get(verdict, 'bold red')}]{GLYPHS[verdict]} {verdict}[/]"


def print_report(report: Report, console: Console | None = None) -> None:
    """A summary of every target, then every case in which something is not simply as it should be."""
    console = console or wide()
    verdicts = [verdict for verdict in VERDICTS if any(verdict in column.counts for column in report.columns)]
    table = Table(Column("target", overflow="fold"), "environment", *verdicts, "worst error")
    for column in report.columns:
        worst = max((result.error for result in column.results.values() if result.verdict == "conforms"), default=0)
        counts = (str(column.counts.get(verdict, "")) for verdict in verdicts)
        cut_off = "" if column.run.complete else " (cut off)"
        table.add_row(
            escape(column.target.label) + cut_off, escape(column.target.environment), *counts, f"{worst:.2f} bounds"
        )
    console.print(table)
    if report.reused:
        console.print(taken_over(report.reused, report.observed), soft_wrap=True)
    for column in report.columns:
        for case_id, what in column.unsteady.items():
            told = f"[bold red]≠ unsteady[/] {escape(column.target.label)} [bold]{escape(case_id)}[/]: {escape(what)}"
            console.print(told, soft_wrap=True)
        for result in column.results.values():
            if not result.green:
                console.print(
                    f"{styled(result.verdict)} {escape(column.target.label)} [bold]{escape(result.case)}[/]: "
                    f"{escape(why(result))}",
                    soft_wrap=True,
                )


def print_steps(result: Result, case: Case, console: Console) -> None:
    """Every step and quantity of one result: expected, observed, error in units of the bound."""
    table = Table("step", "quantity", "expected", "observed", "error")
    for index, quantities in enumerate(result.steps):
        table.add_section()
        first = f"{index + 1}. {sentence(case.text.steps[index])}"
        if index in result.raised:
            first += f" raised {result.raised[index]}"
        for item in quantities:
            style = "bold red" if item.divergence else ""
            expected = "nothing" if item.expected is None else numbers(item.expected)
            observed = numbers(item.observed) if isinstance(item.observed, np.ndarray) else str(item.observed)
            table.add_row(escape(first), item.name, expected, escape(observed), amount(item.error), style=style)
            first = ""
    console.print(table)


def comparison(made: Comparison) -> str:
    """What changed, a line each; what is the same is only counted."""
    lines = [told(change) for kind in KINDS if kind != "same" for change in made.of(kind)]
    counts = ", ".join(f"{count} {kind}" for kind, count in made.counts.items())
    return "\n".join([*map(fit, lines), counts]) + "\n"


def told(change: Change) -> str:
    """One change on one line."""
    before, after = (side.verdict if side else "not run" for side in (change.before, change.after))
    reason = " ".join(why(change.after).split()) if change.after else ""
    return f"{change.kind:10} {change.target} {change.case}: {before} -> {after}" + (f"; {reason}" if reason else "")
