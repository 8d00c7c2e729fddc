"""Exact numbers as a person would write them."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np


def spelled(number: Decimal, dtype: str) -> str:
    """The shortest decimal that rounds to what the number rounds to, in float32, or in float64 for a layer of that."""
    if number.is_nan():
        return ".nan"
    if number.is_infinite():
        return ".inf" if number > 0 else "-.inf"
    if number == 0:
        return "0"
    nearest = _nearest(number, np.float64 if dtype == "float64" else np.float32)
    if 1e-7 <= abs(number) < 1e16:
        return np.format_float_positional(nearest, unique=True, trim="-")
    mantissa, _, exponent = np.format_float_scientific(nearest, unique=True, trim="0", exp_digits=1).partition("e")
    return f"{mantissa}e{exponent}"


def _nearest(number: Decimal, kind: type[Any]) -> Any:
    """The value of a type that is nearest to a number, which the way through another type may miss by one."""
    near = kind(float(number)) if abs(number) <= Decimal(float(np.finfo(kind).max)) else kind(0)
    if near == 0:  # too large for the type, or too small
        return np.float64(number)
    around = [near, np.nextafter(near, kind(-np.inf)), np.nextafter(near, kind(np.inf))]
    finite = [value for value in around if np.isfinite(value)]
    return min(finite, key=lambda value: abs(Fraction(float(value)) - Fraction(number)))
