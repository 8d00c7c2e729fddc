"""Hangs when it is frozen, and is deaf to signals."""

import signal
import time

import base

describe = base.describe


class Layer(base.Layer):
    def freeze(self, of, recompile):
        for number in (signal.SIGABRT, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        time.sleep(3600)
