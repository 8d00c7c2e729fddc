"""Returns an output of which one element is infinite."""

import base
import numpy as np

describe = base.describe


class Layer(base.Layer):
    def normalise(self, x, mean, variance):
        y = super().normalise(x, mean, variance)
        y.flat[0] = -np.inf
        return y
