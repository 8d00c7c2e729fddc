"""Destroys the settings that it is given."""

import base

describe = base.describe


class Layer(base.Layer):
    def __init__(self, layer, mode, workdir):
        super().__init__(layer, mode, workdir)
        layer.clear()
