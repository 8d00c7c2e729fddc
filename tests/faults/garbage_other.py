"""Answers in the host's place, for another case, when it is frozen."""

import os

import base

describe = base.describe


class Layer(base.Layer):
    def freeze(self, of, recompile):
        os.write(base.protocol(), b'{"id": "train", "steps": []}\n')
