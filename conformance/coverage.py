"""What the corpus proves: statements, knob values and slips against the cases that would see them, holes first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from conformance.case import Case
from conformance.causes import causes
from conformance.dialect import STANDARD
from conformance.margins import LEAST, everything

SPECIFICATION = Path(__file__).parent.parent / "docs" / "specification.md"


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many cases there are for each statement, knob value and slip."""

    statements: Mapping[str, list[str]]
    changes: Mapping[str, list[str]]


def statements() -> list[str]:
    """The ids of the specification, where there is one beside the package."""
    if not SPECIFICATION.is_file():
        return []
    return re.findall(r"^#+ ([A-Z]+-\d+)", SPECIFICATION.read_text(encoding="utf-8"), re.MULTILINE)


def coverage(cases: Iterable[Case]) -> Coverage:
    """Count, for every statement and every change, the cases that name it or that tell it apart."""
    proven: dict[str, list[str]] = {statement: [] for statement in statements()}
    changes: dict[str, list[str]] = {str(cause): [] for cause in causes(STANDARD)}
    for case in cases:
        for statement in case.text.statements:
            proven.setdefault(statement, []).append(case.id)
        for cause, margin in everything(case).items():
            if margin >= LEAST:
                changes[str(cause)].append(case.id)
    return Coverage(proven, changes)


def told(coverage: Coverage) -> list[str]:
    """The table, holes first."""
    lines = []
    for title, rows in (("statement", coverage.statements), ("knob value or slip", coverage.changes)):
        lines.append(f"{title:40} cases")
        for name, cases in sorted(rows.items(), key=lambda row: len(row[1])):
            lines.append(f"{name:40} {len(cases):5}  {', '.join(cases[:3])}{' …' if len(cases) > 3 else ''}")
        lines.append("")
    return lines
