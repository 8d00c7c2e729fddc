"""Does not show its moving variance."""

import base

describe = base.describe


class Layer(base.Layer):
    def state(self):
        return {name: value for name, value in super().state().items() if name != "moving_variance"}
