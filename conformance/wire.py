"""Arrays as they cross the wire and lie in run files: [dtype, shape, base64 of the little-endian bytes]."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np
from numpy.typing import NDArray

DTYPES = frozenset({"float16", "float32", "float64", "int32", "int64", "bool"})


def encode(array: NDArray[Any]) -> list[Any]:
    """An array as JSON; bit for bit, NaN and infinity included."""
    return [array.dtype.name, list(array.shape), base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()]


def decode(value: object) -> NDArray[Any] | str | None:
    """What an observation says of a quantity: an array, None, or a text that says what came instead of an array."""
    if value is None or isinstance(value, str):
        return value
    try:
        dtype, shape, text = list(value)  # type: ignore[call-overload]
        if dtype not in DTYPES:
            return f"an array of {dtype}"
        raw = base64.b64decode(text, validate=True)
        return np.frombuffer(raw, dtype).reshape(shape)
    except (TypeError, ValueError, binascii.Error) as error:
        return f"no readable array: {error}"
