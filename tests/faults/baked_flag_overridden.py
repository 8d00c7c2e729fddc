"""Lets the flag of a call win over the one baked in, and does not declare it."""

import base

describe = base.describe


class Layer(base.Layer):
    def call(self, x, training=None, mask=None):
        self.baked = None
        return super().call(x, training, mask)
