"""What tells some cases apart from others, in words."""

from __future__ import annotations

from conformance.causes import Observed

FEATURES = ("rank", "dtype", "pass", "mask", "values per channel")


def common(apart: list[Observed], others: list[Observed]) -> str:
    """What some cases have in common that no other has, in words; empty where nothing tells them apart."""
    for name in FEATURES:
        here = {feature(one, name) for one in apart}
        if here.isdisjoint(feature(one, name) for one in others) and others:
            return f"{name} {' or '.join(sorted(here))}"
    return ""


def feature(one: Observed, name: str) -> str:
    """What a case is like in one respect."""
    text, data = one.case.text, one.case.data
    passed = [
        step for step in text.steps if isinstance(getattr(step, step.verb), str) and getattr(step, step.verb) in data
    ]
    batches = [data[getattr(step, step.verb)] for step in passed]
    if name == "rank":
        return str(max((batch.ndim for batch in batches), default=0))
    if name == "dtype":
        return text.dtype
    if name == "pass":
        return "fit" if any(step.verb == "fit" for step in passed) else "by hand"
    if name == "mask":
        return "given" if any(getattr(step, "mask", None) for step in passed) else "none"
    return "1" if any(batch[..., 0].size == 1 for batch in batches) else "several"
