"""Raises an error when its state is looked at."""

import base

describe = base.describe


class Layer(base.Layer):
    def state(self):
        raise ValueError("nothing to see")
