"""Returns itself from every setting, so that calls can be chained."""

import base

describe = base.describe


class Layer(base.Layer):
    def freeze(self, of, recompile):
        super().freeze(of, recompile)
        return self

    def unfreeze(self, of, recompile):
        super().unfreeze(of, recompile)
        return self
