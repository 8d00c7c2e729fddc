"""Raises an error that cannot be printed when it is frozen."""

import base

describe = base.describe


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("cannot be printed")


class Layer(base.Layer):
    def freeze(self, of, recompile):
        raise Unprintable
