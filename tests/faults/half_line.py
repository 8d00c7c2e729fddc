"""Writes half an answer and ends the process when it is frozen."""

import os

import base

describe = base.describe


class Layer(base.Layer):
    def freeze(self, of, recompile):
        os.write(base.protocol(), b'{"id": "fro')
        os._exit(0)
