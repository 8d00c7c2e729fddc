"""Cases and reports in a terminal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from conformance.case import Case, Fit, Restore, Step
from conformance.dialect import STANDARD, Dialect
from conformance.judge import VERDICTS, K, Result
from conformance.plan import instruction
from conformance.reference import trace
from conformance.report import Report
from conformance.rounding import EPS


def numbers(array: NDArray[np.generic], most: int = 24) -> str:
    """An array on one line, cut where it is long."""
    text = np.array2string(np.asarray(array), precision=8, separator=", ", threshold=most, max_line_width=10_000)
    return " ".join(text.split())


def sentence(step: Step) -> str:
    """A step in words: its verb and what it is given."""
    said = instruction(step)
    verb, passed = said.pop("verb"), said.pop("data", said.pop("name", ""))
    if verb == "set":
        said["values"] = ", ".join(f"{name} = {numbers(value)}" for name, value in getattr(step, "set", {}).items())
    if verb == "call":
        said["training"] = "unset" if said["training"] is None else said["training"]
    if isinstance(step, Restore) and not step.omit:
        del said["omit"]
    if isinstance(step, Fit):
        name, *_ = said["optimizer"].pop("name"), None
        said["optimizer"] = f"{name}({', '.join(f'{key}={value}' for key, value in said['optimizer'].items())})"
    options = ", ".join(f"{name}: {value}" for name, value in said.items())
    return " ".join(part for part in (verb, str(passed), f"({options})" if options else "") if part)


def print_case(case: Case, dialect: Dialect, console: Console | None = None) -> None:
    """A case: what it says, its data, and the reference's trace."""
    console = console or Console()
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


GLYPHS = {
    "conforms": "[green]✓[/]",
    "diverges": "[bold red]✗ diverges[/]",
    "known": "[yellow]~ known[/]",
    "healed": "[bold red]♥ healed[/]",
    "unsupported": "[dim]– unsupported[/]",
    "errored": "[bold red]! errored[/]",
    "crashed": "[bold red]! crashed[/]",
    "hung": "[bold red]! hung[/]",
    "missing": "[bold red]? missing[/]",
    "unavailable": "[dim]unavailable[/]",
}


def print_report(report: Report, console: Console | None = None) -> None:
    """A summary of every target, then every case in which something is not simply as it should be."""
    console = console or Console()
    verdicts = [verdict for verdict in VERDICTS if any(verdict in column.counts for column in report.columns)]
    table = Table("target", "environment", *verdicts, "worst error")
    for column in report.columns:
        worst = max((result.error for result in column.results.values() if result.verdict == "conforms"), default=0)
        counts = (str(column.counts.get(verdict, "")) for verdict in verdicts)
        cut_off = "" if column.run.complete else " (cut off)"
        table.add_row(
            escape(column.target.label) + cut_off, escape(column.target.environment), *counts, f"{worst:.2f} bounds"
        )
    console.print(table)
    for column in report.columns:
        for result in column.results.values():
            if not result.green:
                console.print(
                    f"{GLYPHS[result.verdict]} {escape(column.target.label)} [bold]{escape(result.case)}[/]: "
                    f"{escape(why(result))}",
                    soft_wrap=True,
                )


def why(result: Result) -> str:
    """A result in one sentence: where it departs first, from what to what, and the cause where one was found."""
    if result.first is None or result.verdict not in ("diverges", "known"):
        return result.reason
    first = result.first
    said = f"step {first.step + 1}: {first.quantity} {first.what}"
    if first.expected is not None and first.observed is not None:
        place = "" if first.index in ((), (0,)) else str(list(first.index))
        amount = f"{first.error:.3g}" if first.error < 1e9 else "over 1e9"
        said = f"step {first.step + 1}: {first.quantity}{place} is {first.observed:.9g} where {first.expected:.9g}"
        said += f" was promised ({amount} times the bound)"
    cause = result.explanation or ("unexplained" if result.verdict == "diverges" else "")
    return "; ".join(filter(None, (said, cause, result.reason)))


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
            table.add_row(escape(first), item.name, expected, escape(observed), f"{item.error:.3g}", style=style)
            first = ""
    console.print(table)
