"""Prints what looks like the host's own lines."""

import base

describe = base.describe


class Layer(base.Layer):
    def train(self, x, mask=None):
        for line in ('{"id": "train", "steps": []}', '{"id": "frozen", "hung": "no"}', '{"ready": {}}', '{"end": {}}'):
            print(line)
            print(line, flush=True)
        return super().train(x, mask)
