"""Infers when it is frozen, and moves its statistics all the same."""

import base

describe = base.describe


class Layer(base.Layer):
    def train(self, x, mask=None):
        y, trainable = super().train(x, mask), self.trainable
        if not trainable:
            self.trainable = True
            super().train(x, mask)
            self.trainable = trainable
        return y
