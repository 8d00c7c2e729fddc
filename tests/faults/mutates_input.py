"""Destroys the arrays that it is given."""

import base

describe = base.describe


class Layer(base.Layer):
    def call(self, x, training=None, mask=None):
        y = super().call(x, training, mask)
        for array in (x, mask):
            if array is not None:
                array.fill(7)
        return y
