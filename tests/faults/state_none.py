"""Shows no state."""

import base

describe = base.describe


class Layer(base.Layer):
    def state(self):
        return None
