"""Cases from a few lines of YAML."""

from __future__ import annotations

from conformance.case import Case
from conformance.load import build
from conformance.strict_yaml import parse


def case(text: str, case_id: str = "x") -> Case:
    """A case from its layer, data and steps."""
    return build(parse(f"title: {case_id}\n{text}", "f"), case_id, "digest")
