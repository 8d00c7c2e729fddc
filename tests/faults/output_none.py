"""Returns no output."""

import base

describe = base.describe


class Layer(base.Layer):
    def normalise(self, x, mean, variance):
        return None
