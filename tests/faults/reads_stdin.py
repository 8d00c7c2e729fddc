"""Reads its standard input to the end."""

import sys

import base

describe = base.describe


class Layer(base.Layer):
    def train(self, x, mask=None):
        assert sys.stdin.read() == ""
        return super().train(x, mask)
