"""Arrays as they cross the wire and lie in run files: [dtype, shape, base64 of the little-endian bytes]."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.dtypes import DTYPES

KINDS = frozenset({*DTYPES, "int32", "int64", "bool"})


def encode(array: NDArray[Any], dtype: str = "") -> list[Any]:
    """An array as JSON; bit for bit, NaN and infinity included. bfloat16 goes as the float32 values that it has."""
    raw = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return [dtype or array.dtype.name, list(array.shape), raw]


def dtype(value: object) -> str:
    """The type of an array that `decode` could read."""
    return str(value[0]) if isinstance(value, list) and value else ""


def decode(value: object) -> NDArray[Any] | str | None:
    """What an observation says of a quantity: an array, None, or a text that says what came instead of an array."""
    if value is None or isinstance(value, str):
        return value
    try:
        kind, shape, text = list(value)  # type: ignore[call-overload]
        if kind not in KINDS:
            return f"an array of {kind}"
        raw = base64.b64decode(text, validate=True)
        return np.frombuffer(raw, "float32" if kind == "bfloat16" else kind).reshape(shape)
    except (TypeError, ValueError, OverflowError, binascii.Error) as error:
        return f"no readable array: {error}"
