"""The formulas of batch normalisation, each with its conditioning.

Arrays have a leading axis of copies and channels last: x is (R, N, …, C), statistics are (R, C). What R is for says
`rounding.py`; nothing here depends on it. A function named `…_scale` gives, for the quantity of the same name, the
operation on magnitudes: honest floating-point arithmetic stays within a small multiple of eps times that scale.

Sources: Ioffe and Szegedy 2015 (arXiv:1502.03167), algorithm 1 (normalisation), section 3 (gradients), algorithm 2
(inference); the scales are the first-order error bounds of these expressions (Higham, Accuracy and Stability of
Numerical Algorithms, chapters 1 and 3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from conformance.fields import Floats


def wide(statistic: Floats, x: Floats) -> Floats:
    """A statistic (R, C) in the shape that broadcasts against x (R, N, …, C)."""
    if x.ndim == 3:
        return statistic[:, None]
    return statistic.reshape(statistic.shape[0], *(1,) * (x.ndim - 2), statistic.shape[1])


def average(values: Floats, weights: Floats | None = None) -> Floats:
    """The mean over all axes but copies and channels, (R, C); with weights (N, …) that sum to 1, their weighted sum."""
    axes = tuple(range(1, values.ndim - 1))
    if weights is None:
        count = values.size / max(values.shape[0] * values.shape[-1], 1)
        mean: Floats = values.sum(axes) / np.float64(count)
        return mean
    weighted: Floats = (values * weights[None, ..., None]).sum(axes)
    return weighted


def total(values: Floats) -> Floats:
    """The sum over all axes but copies and channels, (R, C)."""
    summed: Floats = values.sum(tuple(range(1, values.ndim - 1)))
    return summed


@dataclass(frozen=True, slots=True)
class Statistics:
    """Mean and population variance of a batch, (R, C), their scales, (1, C), and the number of values per channel."""

    mean: Floats
    variance: Floats
    mean_scale: Floats
    variance_scale: Floats
    count: float


def statistics(x: Floats, mask: Floats | None, one_pass: bool) -> Statistics:
    """Mean and population variance of x (R, N, …, C) over the positions (N, …) where the mask is not 0.

    A one-pass variance mean(x²) - mean² loses what a large mean cancels, which its scale allows for. The scales are
    those of the exact copy alone, as no other is used.
    """
    count = x.size / x.shape[0] / x.shape[-1] if mask is None else float(mask.sum())
    weights = None if mask is None else mask / mask.sum()
    mean = average(x, weights)
    away = x - wide(mean, x)
    size = np.abs(x[:1])
    magnitude = size + np.abs(wide(mean[:1], x))
    scale = magnitude**2 if one_pass else 2 * magnitude * np.abs(away[:1])
    return Statistics(mean, average(away**2, weights), average(size, weights), average(scale, weights), count)


def bessel(count: float) -> float:
    """The factor n/(n-1) between the variance ÷n and the one ÷(n-1); infinite for a single value."""
    return count / (count - 1) if count > 1 else np.inf


def sample_variance(variance: Floats, count: float) -> Floats:
    """The variance ÷(n-1) from the one ÷n; infinite or NaN for a single value."""
    return variance * bessel(count)


def moving(old: Floats, new: Floats, momentum: float) -> Floats:
    """The moving statistic after an update: momentum is the fraction of the old one that is kept."""
    return momentum * old + (1 - momentum) * new


def moving_scale(old: Floats, new: Floats, momentum: float) -> Floats:
    """The same on magnitudes."""
    return moving(np.abs(old), np.abs(new), momentum)


def normalise(x: Floats, mean: Floats, variance: Floats, gamma: Floats, beta: Floats, epsilon: float) -> Floats:
    """Normalise: gamma (x - mean) / sqrt(variance + epsilon) + beta."""
    root: Floats = np.sqrt(wide(variance, x) + epsilon)
    return wide(gamma, x) * (x - wide(mean, x)) / root + wide(beta, x)


def normalise_scale(x: Floats, mean: Floats, variance: Floats, gamma: Floats, beta: Floats, epsilon: float) -> Floats:
    """|gamma| (|x| + |mean|) / sqrt(variance + epsilon) + |beta|."""
    root: Floats = np.sqrt(wide(variance, x) + epsilon)
    normal: Floats = (np.abs(x) + np.abs(wide(mean, x))) / root
    return np.abs(wide(gamma, x)) * normal + np.abs(wide(beta, x))


@dataclass(frozen=True, slots=True)
class Gradients:
    """Gradients of sum(upstream * output): input (R, N, …, C), gamma and beta (R, C), or the scales of the three."""

    input: Floats
    gamma: Floats
    beta: Floats


@dataclass(frozen=True, slots=True)
class Normalised:
    """What a pass leaves behind for the gradients: its input (R, N, …, C), and the statistics that it normalised with.

    shares: how much of that mean and variance came from the input itself: 0 in inference, 1 in training. centre: the
    mean of the input, from which its variance is taken.
    """

    x: Floats
    mean: Floats
    variance: Floats
    shares: tuple[float, float] = (0.0, 0.0)
    centre: Floats | None = None


def gradients(seen: Normalised, upstream: Floats, gamma: Floats, epsilon: float) -> Gradients:
    """Through the statistics as far as they came from the input, and past them."""
    x, (of_mean, of_variance) = seen.x, seen.shares
    root = np.sqrt(wide(seen.variance, x) + epsilon)
    normal = (x - wide(seen.mean, x)) / root
    through = upstream
    if of_mean:
        centred = normal if seen.centre is None else (x - wide(seen.centre, x)) / root
        slope = wide(average(upstream * normal), x)
        through = upstream - of_mean * wide(average(upstream), x) - of_variance * centred * slope
    return Gradients(wide(gamma, x) / root * through, total(upstream * normal), total(upstream))


def gradients_scale(seen: Normalised, upstream: Floats, gamma: Floats, epsilon: float) -> Gradients:
    """The same operations on magnitudes; of the first copy alone."""
    x, (of_mean, of_variance), size = seen.x[:1], seen.shares, np.abs(upstream[:1])
    root = np.sqrt(wide(seen.variance[:1], x) + epsilon)
    normal = (np.abs(x) + np.abs(wide(seen.mean[:1], x))) / root
    through = size
    if of_mean:
        centred = normal if seen.centre is None else (np.abs(x) + np.abs(wide(seen.centre[:1], x))) / root
        through = size + of_mean * wide(average(size), x) + of_variance * centred * wide(average(size * normal), x)
    return Gradients(np.abs(wide(gamma[:1], x)) / root * through, total(size * normal), total(size))
