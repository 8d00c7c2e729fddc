"""Restores the first checkpoint ever written, whichever is asked for."""

import os

import base

describe = base.describe


class Layer(base.Layer):
    first = {}

    def save(self, path):
        super().save(path)
        self.first.setdefault(os.path.dirname(path), path)

    def restore(self, path, omit=()):
        super().restore(self.first[os.path.dirname(path)], omit)
