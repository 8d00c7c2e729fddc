"""Normalises with the moving statistics in training too."""

import base

describe = base.describe


class Layer(base.Layer):
    def call(self, x, training=None, mask=None):
        y = self.normalise(x, self.variables["moving_mean"], self.variables["moving_variance"])
        super().call(x, training, mask)
        return y
