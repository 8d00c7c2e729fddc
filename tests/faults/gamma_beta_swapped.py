"""Multiplies by beta and adds gamma."""

import base
import numpy as np

describe = base.describe


class Layer(base.Layer):
    def normalise(self, x, mean, variance):
        y = (x - mean) / np.sqrt(variance + np.float32(self.epsilon))
        return y * self.variables["beta"] + self.variables["gamma"]
