"""Keeps the fraction that it should let go of."""

import base

describe = base.describe


class Layer(base.Layer):
    def __init__(self, layer, mode, workdir):
        super().__init__(dict(layer, momentum=1 - layer["momentum"]), mode, workdir)
