"""Adds epsilon to the standard deviation instead of the variance."""

import base
import numpy as np

describe = base.describe


class Layer(base.Layer):
    def normalise(self, x, mean, variance):
        deviation = np.sqrt(variance) + np.float32(self.epsilon)
        return (x - mean) / deviation * self.variables["gamma"] + self.variables["beta"]
