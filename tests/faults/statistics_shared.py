"""Gives all channels the mean of their statistics."""

import base
import numpy as np

describe = base.describe


class Layer(base.Layer):
    def move(self, name, new):
        super().move(name, np.full_like(new, new.mean()))
