"""Ends the process, without an error, when it is frozen."""

import os

import base

describe = base.describe


class Layer(base.Layer):
    def freeze(self, of, recompile):
        os._exit(0)
