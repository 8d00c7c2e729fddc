"""Shows a quantity that nobody asked for."""

import base
import numpy as np

describe = base.describe


class Layer(base.Layer):
    def state(self):
        return dict(super().state(), updates=np.zeros(1, np.float32))
