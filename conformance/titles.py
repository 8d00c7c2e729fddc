"""The titles of cases, read without checking the rest: a listing answers at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from conformance.ids import matching
from conformance.strict_yaml import parse


def titles(root: Path, globs: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """(id, title) of the cases that match; BadInput where a file is no YAML or a filter matches nothing."""
    for case_id in matching(root, globs):
        path = root / f"{case_id}.yaml"
        content = parse(path.read_text(encoding="utf-8", errors="replace"), str(path)).content
        yield case_id, str(content.get("title", "")) if isinstance(content, dict) else ""
