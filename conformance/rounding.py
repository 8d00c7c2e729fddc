"""How far honest rounding can carry a sequence of steps: copies of the reference, each nudged by rounding errors.

The reference computes seventeen copies side by side along the leading axis R of every array. Copy 0 is exact (float64).
In the others every result that a framework would round is moved by eps times its scale (`formulas.py`), up or down at
random. The spread of the copies is what these errors become on their way through later steps, gradients and
optimizers: Monte Carlo arithmetic (Parker 1997, UCLA CSD-970002), with the local conditioning in place of one ulp.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance import dtypes
from conformance.fields import Floats

COPIES = 17
EPS = dtypes.EPS["float32"]
TINY = dtypes.SMALLEST_NORMAL["float32"]
_SIGNS = np.random.RandomState(0).choice([-1.0, 1.0], 1 << 16)


@dataclass(frozen=True, slots=True)
class Value:
    """An expected quantity, its bound's scale of the same shape, and its type.

    Errors are measured in units of eps * scale, with the eps of float32 whatever the type: the scale allows for it.
    """

    expected: Floats
    scale: Floats
    dtype: str = "float32"


def copies(value: NDArray[np.floating[Any]]) -> Floats:
    """An exact array as R equal copies."""
    return np.repeat(value.astype(np.float64)[None], COPIES, 0)


class Rounding:
    """A reproducible stream of nudges."""

    def __init__(self) -> None:
        self.drawn = 0

    def nudge(self, value: Floats, scale: Floats, dtype: str = "float32") -> Floats:
        """The value with all copies but the first moved by eps * scale of the first, up or down.

        eps is that of the type; a 16-bit type also rounds what is smaller than its smallest normal number.
        """
        eps = EPS
        if dtype != "float32":
            eps = dtypes.EPS[dtype]
            scale = scale + dtypes.SMALLEST_NORMAL[dtype]
        nudged = np.array(value)
        moved = nudged[1:]
        size = moved.size
        start = self.drawn % (_SIGNS.size - size) if size < _SIGNS.size else 0
        signs = np.resize(_SIGNS[start:], size) if size > _SIGNS.size - start else _SIGNS[start : start + size]
        self.drawn += size
        moved += eps * scale[:1] * signs.reshape(moved.shape)
        return nudged


def value(copied: Floats, dtype: str) -> Value:
    """What the copies say: the exact value, and the widest departure of the others in units of eps."""
    spread: Floats = np.maximum.reduce(np.abs(copied[1:] - copied[0])) / EPS
    return Value(copied[0], spread, dtype)
