"""Says that it cannot be frozen, with a place of this machine."""

import base
import numpy as np

describe = base.describe


class Unsupported(Exception):
    pass


class Layer(base.Layer):
    def freeze(self, of, recompile):
        raise Unsupported("no such flag in %s" % np.__file__)
