"""Raises an error that names places of this machine, one of them at the beginning of a line, when it is frozen."""

import base
import numpy as np

describe = base.describe


class Layer(base.Layer):
    def freeze(self, of, recompile):
        raise ValueError("in %s:\n%s\n%s" % (np.__file__, np.__file__, __file__))
