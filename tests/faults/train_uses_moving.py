"""Normalises with the moving statistics in training too."""

import base

describe = base.describe


class Layer(base.Layer):
    def normalise(self, x, mean, variance):
        return super().normalise(x, self.variables["moving_mean"], self.variables["moving_variance"])
