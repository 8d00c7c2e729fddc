"""Prints on both streams, which is nobody's business."""

import os
import sys

import base

describe = base.describe


class Layer(base.Layer):
    def train(self, x, mask=None):
        print("epoch 1: loss nan")
        print("warning: deprecated", file=sys.stderr)
        os.write(1, b"printed by a library, \xff\n")
        return super().train(x, mask)
