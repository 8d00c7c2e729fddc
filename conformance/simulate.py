"""What rounding really does under a knob that changes no value: the same formulas in the arithmetic that it names.

The reference computes such a knob exactly, with a wider bound. Whether a case can tell it from another is seen by
computing in the short type itself, once, without copies.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.fields import Floats
from conformance.norm import Batch, Norm
from conformance.rounding import copies
from conformance.training import Pass


class OnePass(Norm):
    """mean(x²) - mean² in float32, not below 0."""

    def batch(self, x: Floats, how: Pass) -> Batch:
        """Mean and variance of the batch, as float32 has them."""
        exact = super().batch(x, how)
        if how.mask is not None or not exact.count:
            return exact
        rows = x[0].reshape(-1, x.shape[-1]).astype(np.float32)
        mean = rows.mean(0, dtype=np.float32)
        variance = (rows * rows).mean(0, dtype=np.float32) - mean * mean
        return replace(exact, mean=copies(mean), variance=copies(np.maximum(variance, 0)))


class InHalf(Norm):
    """Mean and variance in the layer's own float16, sum by sum."""

    def batch(self, x: Floats, how: Pass) -> Batch:
        """Mean and variance of the batch, as float16 has them."""
        exact = super().batch(x, how)
        if self.dtype != "float16" or how.mask is not None or not exact.count:
            return exact
        rows = x[0].reshape(-1, x.shape[-1]).astype(np.float16)
        mean = _mean(rows)
        return replace(exact, mean=copies(mean), variance=copies(_mean((rows - mean) ** 2)))


def _mean(rows: NDArray[Any]) -> NDArray[Any]:
    total = np.zeros_like(rows[0])
    for row in rows:
        total = total + row
    mean: NDArray[Any] = total / np.float16(len(rows))
    return mean


SIMULATED = {"variance_algorithm = one_pass": OnePass, "arithmetic = layer": InHalf}
