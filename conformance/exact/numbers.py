"""Numbers that are exact for as long as they are rational."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from fractions import Fraction
from typing import Any

Number = Any  # an Exact, or a Decimal throughout
Rows = list[list[Number]]
Reader = Callable[[float], Number]
DIGITS = 50
CONTEXT = Context(prec=DIGITS, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])  # no traps: 0 / 0 is NaN, as in IEEE 754


class Refused(Exception):
    """The step is an error under the dialect."""


def decimal(value: Fraction | Decimal) -> Decimal:
    """The value to as many digits as the context has."""
    return value if isinstance(value, Decimal) else Decimal(value.numerator) / Decimal(value.denominator)


def plain(number: Number) -> Decimal:
    """A number of either kind as a Decimal."""
    return decimal(number.value) if isinstance(number, Exact) else number


def _operation(function: Callable[[Any, Any], Any], *, swapped: bool = False) -> Callable[[Exact, Any], Exact]:
    def operation(self: Exact, other: Any) -> Exact:
        left, right = self.value, other.value if isinstance(other, Exact) else Fraction(other)
        left, right = (right, left) if swapped else (left, right)
        rational = isinstance(left, Fraction) and isinstance(right, Fraction)
        if not rational or (function is operator.truediv and right == 0):
            left, right = decimal(left), decimal(right)
        return Exact(function(left, right))

    return operation


class Exact:
    """A Fraction while all that it comes from is rational, and a Decimal after that."""

    __slots__ = ("value",)

    def __init__(self, value: Fraction | Decimal) -> None:
        self.value = value

    __add__ = __radd__ = _operation(operator.add)
    __mul__ = __rmul__ = _operation(operator.mul)
    __sub__ = _operation(operator.sub)
    __rsub__ = _operation(operator.sub, swapped=True)
    __truediv__ = _operation(operator.truediv)

    def __pow__(self, exponent: int) -> Exact:
        return Exact(self.value**exponent)

    def sqrt(self) -> Exact:
        """The root, to 50 digits."""
        return Exact(decimal(self.value).sqrt())


def exactly(value: float) -> Exact:
    """A float as the number that it is."""
    return Exact(Fraction(float(value)) if math.isfinite(value) else Decimal(float(value)))


def digits(value: float) -> Decimal:
    """A float as the number that it is, in digits."""
    return Decimal(float(value))


def rounded(array: Any, number: Reader) -> list[Number]:
    """A variable's values as a framework gets them, in float32."""
    return [number(v) for v in array.astype("float32").ravel().tolist()]
