"""Writes into the host's answers when it is frozen."""

import os

import base

describe = base.describe


class Layer(base.Layer):
    def freeze(self, of, recompile):
        os.write(base.protocol(), b"\xff\xfe progress: 50 %\n")
