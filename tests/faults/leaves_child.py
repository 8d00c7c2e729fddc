"""Leaves a child process behind that never ends."""

import subprocess

import base

describe = base.describe


class Layer(base.Layer):
    def freeze(self, of, recompile):
        super().freeze(of, recompile)
        subprocess.Popen(["sleep", "3600"])
