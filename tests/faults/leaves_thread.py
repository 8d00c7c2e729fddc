"""Leaves a thread behind that never ends."""

import threading
import time

import base

describe = base.describe


class Layer(base.Layer):
    def freeze(self, of, recompile):
        super().freeze(of, recompile)
        threading.Thread(target=time.sleep, args=(3600,)).start()
