"""Shows a state without any quantity."""

import base

describe = base.describe


class Layer(base.Layer):
    def state(self):
        return {}
