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


_TYPES = {  # digits of the significand, the smallest step and the first power of two that is too large, in powers of 2
    "float16": (11, -24, 16),
    "bfloat16": (8, -133, 128),
    "float32": (24, -149, 128),
    "float64": (53, -1074, 1024),
}


def nearest(value: float, dtype: str) -> float:
    """The number of a floating-point type that is nearest to a value; of two, the even one."""
    significand, smallest, limit = _TYPES[dtype]
    if value == 0 or not math.isfinite(value):
        return value
    step = math.ldexp(1, max(math.frexp(value)[1] - significand, smallest))
    found = round(value / step) * step
    return found if limit == 1024 or abs(found) < 2.0**limit else math.copysign(math.inf, value)
