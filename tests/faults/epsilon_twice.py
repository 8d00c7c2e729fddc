"""Adds epsilon twice."""

import base

describe = base.describe


class Layer(base.Layer):
    def __init__(self, layer, mode, workdir):
        super().__init__(dict(layer, epsilon=2 * layer["epsilon"]), mode, workdir)
