"""Returns its output as a list."""

import base

describe = base.describe


class Layer(base.Layer):
    def normalise(self, x, mean, variance):
        return super().normalise(x, mean, variance).tolist()
