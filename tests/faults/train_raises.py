"""Raises an error when it trains."""

import base

describe = base.describe


class Layer(base.Layer):
    def train(self, x, mask=None):
        raise ValueError("not today")
