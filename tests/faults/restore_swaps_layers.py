"""Restores each layer of a network from the checkpoint of the other."""

import base

describe = base.describe
Layer = base.Layer


class Network(base.Network):
    def restore(self, path):
        for name, layer in zip(reversed(list(self.layers)), self.layers.values()):
            layer.restore(path + "-" + name)
