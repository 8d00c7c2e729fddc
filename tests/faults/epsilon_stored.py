"""Feeds the moving variance with the variance plus epsilon."""

import base
import numpy as np

describe = base.describe


class Layer(base.Layer):
    def move(self, name, new):
        super().move(name, new + np.float32(self.epsilon) if name == "moving_variance" else new)
