"""Hangs when it is frozen."""

import time

import base

describe = base.describe


class Layer(base.Layer):
    def freeze(self, of, recompile):
        time.sleep(3600)
