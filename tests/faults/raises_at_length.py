"""Raises an error with a megabyte of message when it is frozen."""

import base

describe = base.describe


class Layer(base.Layer):
    def freeze(self, of, recompile):
        raise ValueError("long" * 250000)
