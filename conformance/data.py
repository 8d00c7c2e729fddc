"""What a case says of its data -> arrays, drawn once, in the type that the layer is built for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.case import Drawn, Product
from conformance.dtypes import cast
from conformance.fields import Floats

_STREAM = np.random.RandomState()  # frozen for ever, unlike default_rng; to seed it again is faster than a new one


def draw(data: Mapping[str, Any], dtype: str) -> dict[str, NDArray[Any]]:
    """Every array of a case by name, in the layer's type: what a framework is given is what the reference computes on.

    Masks are whole numbers and the same in every type.
    """
    return {name: cast(_array(value, data), dtype) for name, value in data.items()}


def _array(value: Any, data: Mapping[str, Any]) -> Floats:
    if isinstance(value, Drawn):
        return _drawn(value)
    if isinstance(value, Product):
        factor: Floats = _array(data[value.dot], data) @ value.weights + value.shift
        return factor
    literal: Floats = value
    return literal


def _drawn(value: Drawn) -> Floats:
    _STREAM.seed(value.random_state)
    method = _STREAM.random_sample if value.normal is None else _STREAM.standard_normal
    shape = value.uniform if value.normal is None else value.normal
    method(value.skip)
    drawn: Floats = np.asarray(method(shape)) * value.scale + value.shift
    return drawn


def shape_of(value: Any, data: Mapping[str, Any]) -> tuple[int, ...]:
    """The shape that a data entry will have, without drawing it; () where it cannot be told."""
    if isinstance(value, Drawn):
        return tuple(value.normal or value.uniform or ())
    if isinstance(value, Product):
        other = data.get(value.dot)
        if other is None or isinstance(other, Product) or value.weights.ndim != 2:
            return ()
        return (*shape_of(other, data)[:-1], value.weights.shape[1])
    return tuple(value.shape)
