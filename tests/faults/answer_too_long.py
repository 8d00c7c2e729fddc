"""Shows a state of a megabyte once it is frozen."""

import base
import numpy as np

describe = base.describe


class Layer(base.Layer):
    def state(self):
        return super().state() if self.trainable else {"moving_mean": np.zeros(1 << 18, np.float32)}
