"""Shows a state that is no number once it is frozen."""

import base
import numpy as np

describe = base.describe


class Layer(base.Layer):
    def state(self):
        return super().state() if self.trainable else {name: value * np.nan for name, value in super().state().items()}
