"""The floating-point types that a layer can be built for. NumPy has no bfloat16: its values lie in float32 arrays."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

DType = Literal["float16", "bfloat16", "float32", "float64"]
DTYPES: tuple[str, ...] = get_args(DType)
EPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}
SMALLEST_NORMAL = {"float16": 2.0**-14, "bfloat16": 2.0**-126, "float32": 2.0**-126, "float64": 2.0**-1022}


def cast(array: NDArray[Any], dtype: str) -> NDArray[Any]:
    """The array rounded to a type, to nearest, ties to even; bfloat16 comes as the float32 values that it has."""
    if dtype != "bfloat16":
        return array.astype(dtype)
    bits = array.astype(np.float32).view(np.uint32)
    nearest = (bits + (np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1)))) & np.uint32(0xFFFF0000)
    rounded = nearest.view(np.float32)
    return np.where(np.isfinite(array), rounded, array).astype(np.float32)


def finer(one: str, other: str) -> str:
    """The one of two types that rounds less."""
    return min(one, other, key=EPS.__getitem__)


def coarser(one: str, other: str) -> str:
    """The one of two types that rounds more."""
    return max(one, other, key=EPS.__getitem__)
