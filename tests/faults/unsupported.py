"""Says that it cannot be frozen."""

import base

describe = base.describe


class Unsupported(Exception):
    pass


class Layer(base.Layer):
    def freeze(self, of, recompile):
        raise Unsupported("has no such flag")
