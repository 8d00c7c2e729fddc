"""What exact arithmetic says of a case: of the literals that are there, and in place of those that are not."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np

from conformance import exact
from conformance.authoring.wishes import Wish
from conformance.case import Case
from conformance.check_steps import variables
from conformance.dialect import STANDARD
from conformance.dtypes import cast
from conformance.judge import in_bounds
from conformance.margins import LEAST
from conformance.reference import trace
from conformance.rounding import Value
from conformance.steps import Otherwise
from conformance.strict_yaml import BadInput, Document, Problem

LARGEST = 32  # elements of an array that is filled in without having been named
Literals = dict[str, Any]  # quantity -> nested lists of Decimal; and "raises" -> True
Shown = dict[str, Value]
_IDLE = ("freeze", "unfreeze", "mode", "save", "export")
_ANYTHING = ("fit", "restore")  # the verbs that may move every variable


def disagreeing(case: Case, document: Document) -> Iterator[Problem]:
    """Literals that are there and are not the exact values, to within the bound."""
    for index, step in enumerate(case.text.steps):
        for number, expectation in enumerate(step.expectations):
            place = ("steps", index, *(("expect",) if number == 0 else ("otherwise", number - 1)))
            raises, shown = _shown(case, expectation.dialect if isinstance(expectation, Otherwise) else {}, index)
            if expectation.raises != raises and (expectation.raises or expectation.quantities):
                message = f"this step raises {'an' if raises else 'no'} error here; what is there is left as it is"
                yield document.problem((*place, "raises"), message)
            for name, literal in expectation.quantities.items():
                if message := _against(shown, name, literal):
                    yield document.problem((*place, name), message)


def _against(shown: Shown, name: str, literal: Any) -> str:
    """What is wrong with a literal, if anything."""
    if name not in shown:
        return _unknown(name, shown)
    value = shown[name]
    if in_bounds(cast(literal, value.dtype), value).max(initial=0) <= 1:
        return ""
    numbers = np.array2string(value.expected, precision=9, separator=", ", threshold=40)
    return f"the literal is not the exact value, {' '.join(numbers.split())}; it is left as it is"


def _unknown(name: str, shown: Shown) -> str:
    return f"there is no {name!r} here; there is {', '.join(shown)}"


def _shown(case: Case, changes: dict[str, str], index: int) -> tuple[bool, Shown]:
    """Whether a step raises, and the exact values after it, each with the bound that the reference gives it."""
    dialect = STANDARD.under(changes)
    raises, numbers = exact.trace(case, dialect)[index]
    bounds = trace(case, dialect)[index].quantities
    values = {name: np.array([float(number) for number in flat]) for name, flat in numbers.items()}
    return raises, {
        name: Value(flat.reshape(bounds[name].expected.shape), bounds[name].scale, bounds[name].dtype)
        for name, flat in values.items()
    }


def literals(wish: Wish, changes: dict[str, str], case: Case, document: Document) -> Literals:
    """The quantities of a step that a wish is about, exactly."""
    raises, shown = _shown(case, changes, wish.step)
    names = wish.names
    if names is None:
        fails, standard = _shown(case, {}, wish.step)
        apart = wish.other is None or fails != raises
        names = _worth(case, wish.step, shown, raises=raises) if apart else _moved(standard, shown)
        raises = raises and (bool(names) or apart)
    else:
        raises = False  # the author has said whether it does
    for name in names:
        if name not in shown:
            raise BadInput([document.problem((*wish.place, name), _unknown(name, shown))])
    numbers = exact.trace(case, STANDARD.under(changes))[wish.step][1]
    found = {name: _nested(iter(numbers[name]), shown[name].expected.shape) for name in names}
    return {"raises": True, **found} if raises else found


def _nested(numbers: Iterator[Decimal], shape: tuple[int, ...]) -> Any:
    return [_nested(numbers, shape[1:]) for _ in range(shape[0])] if shape else next(numbers)


def _worth(case: Case, index: int, shown: Shown, *, raises: bool) -> tuple[str, ...]:
    """What a step computes, all statistics, and what else it may have moved; nothing for one that only prepares."""
    step = case.text.steps[index]
    if step.verb in _IDLE and not raises:
        return ()
    quiet = set() if step.verb in _ANYTHING else set(variables(case.text)) - set(getattr(step, "set", ()))
    statistics = {name for name in shown if name.rpartition(".")[2] in ("moving_mean", "moving_variance")}
    return tuple(name for name in shown if name in statistics or (name not in quiet and _small(shown[name])))


def _moved(standard: Shown, shown: Shown) -> tuple[str, ...]:
    """The quantities that a convention moves by ten bounds."""
    return tuple(
        name
        for name, value in shown.items()
        if _small(value) and in_bounds(value.expected, standard[name]).max(initial=0) >= LEAST
    )


def _small(value: Value) -> bool:
    return value.expected.size <= LARGEST
