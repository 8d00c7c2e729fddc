"""Moves the statistics while it predicts."""

import base

describe = base.describe


class Layer(base.Layer):
    def predict(self, x, mask=None):
        y = super().predict(x)
        self.train(x)
        return y
