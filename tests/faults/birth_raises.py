"""Cannot be built."""

import base

describe = base.describe


class Layer(base.Layer):
    def __init__(self, layer, mode, workdir):
        raise ValueError("not today")
