"""Predicts with the statistics of the batch, and leaves its own alone."""

import base

describe = base.describe


class Layer(base.Layer):
    def predict(self, x, mask=None):
        axes = tuple(range(x.ndim - 1))
        return self.normalise(x, x.mean(axes), x.var(axes))
