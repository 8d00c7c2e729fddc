"""Closes every descriptor that it finds when it is frozen."""

import os

import base

describe = base.describe


class Layer(base.Layer):
    def freeze(self, of, recompile):
        os.closerange(3, 256)
