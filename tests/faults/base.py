"""The right implementation, from which each fault here departs: the demo adapter's layer, and a network of them."""

import fcntl
import importlib.util
import os
import stat

demo = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "adapters", "numpy_demo.py")
spec = importlib.util.spec_from_file_location("numpy_demo", demo)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
Layer, describe = module.Layer, module.describe


class Network:
    """Batch normalisations one after the other."""

    def __init__(self, network, mode, workdir):
        self.layers = {entry["name"]: Layer(entry, mode, workdir) for entry in network}

    def train(self, x):
        for layer in self.layers.values():
            x = layer.train(x)
        return x

    def predict(self, x):
        for layer in self.layers.values():
            x = layer.predict(x)
        return x

    def save(self, path):
        for name, layer in self.layers.items():
            layer.save(path + "-" + name)

    def restore(self, path):
        for name, layer in self.layers.items():
            layer.restore(path + "-" + name)

    def state(self):
        return {
            "%s.%s" % (name, key): value for name, layer in self.layers.items() for key, value in layer.state().items()
        }


def protocol():
    """The descriptor on which the host answers: a pipe that can be written, and is not stderr."""
    log = os.fstat(2).st_ino
    for descriptor in range(3, 64):
        try:
            found, flags = os.fstat(descriptor), fcntl.fcntl(descriptor, fcntl.F_GETFL)
        except OSError:
            continue
        if stat.S_ISFIFO(found.st_mode) and found.st_ino != log and flags & os.O_ACCMODE == os.O_WRONLY:
            return descriptor
    raise LookupError("no pipe leads to the suite")
