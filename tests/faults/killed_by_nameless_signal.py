"""Is ended by a signal that has no name when it is frozen."""

import os
import signal

import base

describe = base.describe


class Layer(base.Layer):
    def freeze(self, of, recompile):
        os.kill(os.getpid(), getattr(signal, "SIGRTMIN", 9) + 3)
