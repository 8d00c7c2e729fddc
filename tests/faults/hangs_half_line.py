"""Writes half an answer and hangs when it is frozen."""

import os
import time

import base

describe = base.describe


class Layer(base.Layer):
    def freeze(self, of, recompile):
        os.write(base.protocol(), b'{"id": "fro')
        time.sleep(3600)
