"""Changes the working directory."""

import os

import base

describe = base.describe


class Layer(base.Layer):
    def __init__(self, layer, mode, workdir):
        super().__init__(layer, mode, workdir)
        os.chdir(os.sep)
