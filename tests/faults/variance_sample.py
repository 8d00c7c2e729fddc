"""Feeds the moving variance with the variance over n - 1, and does not declare it."""

import base
import numpy as np

describe = base.describe


class Layer(base.Layer):
    def call(self, x, training=None, mask=None):
        n = x[..., 0].size if mask is None else mask.sum()
        self.correction = {"moving_variance": np.float32(n / (n - 1))}
        return super().call(x, training, mask)

    def move(self, name, new):
        super().move(name, new * self.correction.get(name, np.float32(1)))
