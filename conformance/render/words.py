"""What more than one rendering says: verdicts as glyphs, arrays on one line, errors, steps and results as sentences."""

from __future__ import annotations

from functools import lru_cache
from math import isfinite, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.judge import Result
from conformance.plan import instruction
from conformance.steps import Fit, Restore, Step

GLYPHS = {
    "conforms": "✓",
    "diverges": "✗",
    "known": "≈",
    "healed": "♥",
    "unsupported": "–",
    "errored": "!",
    "crashed": "‼",
    "hung": "…",
    "missing": "?",
    "unavailable": "∅",
}
TONES = {"conforms": "good", "known": "noted", "unsupported": "none", "unavailable": "none"}
WORDS = {
    "target": "an adapter (one API of a framework) in one of its modes, in one environment",
    "mode": "how an adapter drives its API, for example eager or compiled; some are only about some of the cases",
    "case": "a claim about what a layer does, as a sequence of steps with data; its id stays the same for ever",
    "step": "one thing done to the layer: train, predict, fit, freeze, save, restore and so on",
    "quantity": "what is looked at after every step: the output, the moving statistics, gamma, beta, gradients, a loss",
    "momentum": "the fraction of the old moving statistic that is kept, here and everywhere in the suite",
    "bound": "how far honest floating-point arithmetic may be off at this step, given these numbers",
    "error": "the distance from the reference in units of the bound: up to 1 is rounding, a wrong convention is "
    "usually thousands; ∞ where there is nothing to measure, such as a missing quantity or another shape",
    "letter": "targets with the same letter in a row behave alike at every step, within rounding, whatever they "
    "declare; A is what most of them do, which does not make it right",
    "dialect": "the conventions that a target declares; the verdict says whether it does what it declares",
    "standard": "the dialect in which the expected values of the cases are written",
    "reference": "our own implementation in float64, under the dialect that the target declares",
    "known": "on the list of known divergences, which gives a reason and often a link",
    "cut": "of long arrays the first 24 numbers are shown, and how many there are; texts end after 2,000 characters. "
    "The error of a row stands in the tables where it is above 1; the run files have all numbers",
}
MOST = 24
LARGEST_ERROR = 1e9


def numbers(array: NDArray[Any], digits: int = 8, most: int = MOST) -> str:
    """An array on one line; of a long one the beginning, and how long it is."""
    head = array if array.size <= most else array.ravel()[:most]
    return _written(head.tobytes(), array.dtype, array.shape, digits, head.size)


@lru_cache(maxsize=50_000)
def _written(raw: bytes, dtype: np.dtype[Any], shape: tuple[int, ...], digits: int, shown: int) -> str:
    """The text of an array, or of its first numbers; the same bytes are formatted once."""
    values, size = tuple(np.frombuffer(raw, dtype).tolist()), prod(shape)
    one = f"%.{digits}g" if dtype.kind == "f" else "%s"
    if shown == size:
        return _form(shape, one) % values
    return f"{_form((shown,), one)[:-1] % values}, …] the first {shown} of {size:,} numbers, shape {shape}"


@lru_cache(maxsize=1000)
def _form(shape: tuple[int, ...], one: str) -> str:
    """How an array of a shape is written, with the form of one number in the place of each."""
    return f"[{', '.join([_form(shape[1:], one)] * shape[0])}]" if shape else one


def amount(error: float) -> str:
    """An error in units of the bound, no longer than it has to be; ∞ where it cannot be measured."""
    if not isfinite(error):
        return "∞"
    if error > LARGEST_ERROR:
        return "> 1e9"
    if error > 1:
        few = f"{error:.3g}" if error < 1000 else f"{float(f'{error:.4g}'):,.0f}"
        return "> 1" if few == "1" else few
    return "< 0.01" if 0 < error < 0.005 else f"{error:.2f}" if error else "0"


def times(error: float) -> str:
    """An error in units of the bound; one that is larger than the bound says so."""
    text = amount(error)
    return text + "×" if error > 1 and text[0].isdigit() else text


def measured(result: Result) -> str:
    """The worst error of a result that was gone through to its end; empty where there is no such thing."""
    whole = result.verdict in ("conforms", "diverges", "known", "healed")
    return times(result.error) if whole and result.steps else ""


def sentence(step: Step) -> str:
    """A step in words: its verb and what it is given."""
    said = instruction(step)
    verb, passed = said.pop("verb"), said.pop("data", said.pop("name", ""))
    if verb == "set":
        said["values"] = ", ".join(f"{name} = {numbers(value)}" for name, value in getattr(step, "set", {}).items())
    if verb == "call":
        said["training"] = "unset" if said["training"] is None else said["training"]
    if isinstance(step, Restore):
        said = {name: value for name, value in said.items() if value} | said.pop("settings", {})
    if isinstance(step, Fit):
        name, *_ = said["optimizer"].pop("name"), None
        said["optimizer"] = f"{name}({', '.join(f'{key}={value}' for key, value in said['optimizer'].items())})"
    options = ", ".join(f"{name}: {value}" for name, value in said.items())
    return " ".join(part for part in (verb, str(passed), f"({options})" if options else "") if part)


def why(result: Result) -> str:
    """A result in one sentence: where it departs first, from what to what, and the cause where one was found."""
    if result.first is None or result.verdict not in ("diverges", "known"):
        return result.reason
    first = result.first
    said = f"step {first.step + 1}: {first.quantity} {first.what}"
    if first.expected is not None and first.observed is not None:
        place = "" if first.index in ((), (0,)) else str(list(first.index))
        said = f"step {first.step + 1}: {first.quantity}{place} is {first.observed:.9g} where {first.expected:.9g}"
        said += f" was promised ({amount(first.error)} times the bound){growth(result)}"
    cause = result.explanation or ("unexplained" if result.verdict == "diverges" else "")
    return "; ".join(filter(None, (said, cause, result.reason)))


def growth(result: Result) -> str:
    """What becomes of the first divergence in later steps, where it is another thing then."""
    errors = result.growth
    if len(errors) < 2 or not all(isfinite(error) for _, error in errors):
        return ""
    (_, first), (step, last) = errors[0], errors[-1]
    if last <= 1:
        gone = next(index for index, error in errors if error <= 1)
        return f" and is gone at step {gone + 1}" if all(error <= 1 for index, error in errors if index >= gone) else ""
    if max(first, last) < 2 * min(first, last):
        return ""
    return f" and {'grows' if last > first else 'shrinks'} to {amount(last)} times at step {step + 1}"


def taken_over(reused: int, observed: int) -> str:
    """How many observations are not new."""
    return f"{reused:,} of {observed:,} observations are those of an earlier run; nothing has changed since then."
