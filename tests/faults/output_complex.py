"""Returns its output as complex numbers."""

import base
import numpy as np

describe = base.describe


class Layer(base.Layer):
    def normalise(self, x, mean, variance):
        return super().normalise(x, mean, variance).astype(np.complex64)
