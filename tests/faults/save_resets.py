"""Starts its statistics anew after it has written a checkpoint."""

import base
import numpy as np

describe = base.describe


class Layer(base.Layer):
    def save(self, path):
        super().save(path)
        self.variables["moving_mean"] = np.zeros_like(self.variables["moving_mean"])
