"""Trains when it is called without a flag, and does not declare it."""

import base

describe = base.describe


class Layer(base.Layer):
    def call(self, x, training=None, mask=None):
        return super().call(x, training is None or training, mask)
