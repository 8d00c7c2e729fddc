"""Cases from a few lines of YAML."""

from __future__ import annotations

from conformance.case import Case
from conformance.load import build
from conformance.strict_yaml import parse

HEAD = """\
title: A claim
question: Is it so?
effect: It would not be so.
sources: [https://arxiv.org/abs/1502.03167]
layer: {features: 1, momentum: 0.9, epsilon: 0.001}
"""


def case(text: str, case_id: str = "x") -> Case:
    """A case from its layer, data and steps."""
    return build(parse(f"title: {case_id}\n{text}", "f"), case_id, "digest")
