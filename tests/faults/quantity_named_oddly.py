"""Shows quantities whose names are hard to write down."""

import base

describe = base.describe


class Layer(base.Layer):
    def state(self):
        return dict(super().state(), **{'the "mean" µ\n': None, "{}%s": None})
