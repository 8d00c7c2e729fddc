"""Cases from a few lines of YAML."""

from __future__ import annotations

from typing import Any

from conformance.case import Case
from conformance.causes import Cause
from conformance.dialect import Dialect
from conformance.dtypes import cast
from conformance.explain import outcomes
from conformance.load import build
from conformance.strict_yaml import parse
from conformance.wire import encode

HEAD = """\
title: A claim
question: Is it so?
effect: It would not be so.
sources: [https://arxiv.org/abs/1502.03167]
layer: {features: 1, momentum: 0.9, epsilon: 0.001}
"""


def case(text: str, case_id: str = "x") -> Case:
    """A case from its layer, data and steps."""
    return build(parse(f"title: {case_id}\n{text}", "f"), case_id)


def simulated(one: Case, dialect: Dialect, several: tuple[Cause, ...] = ()) -> list[dict[str, Any]]:
    """What a framework with a dialect and some faults would have answered."""
    return [
        {"quantities": {name: encode(cast(value.expected, value.dtype), value.dtype) for name, value in quantities}}
        | ({"raised": ["ValueError", "no"]} if step.raises else {})
        for step in outcomes(one, dialect, several)
        for quantities in [step.quantities.items()]
    ]
