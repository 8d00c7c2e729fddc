"""Runs one adapter on the cases that come in. Lives in the framework's own process and interpreter.

Usage:    python -I -B host.py ADAPTER [FOLDER ...]     (FOLDERs go in front of the import path)
          CONFORMANCE_LAYER=MODULE:CLASS[,...]          (classes that the adapter puts in the place of the framework's)
May use:  Python 3.6 or newer and NumPy. Nothing else of ours is here, and no expected value ever comes here.

out, 1st line:  {"ready": describe(), "python": ..., "versions": {...}}, or {"failed": [type, message]}
in, 1st line:   {"mode": ..., "device": ..., "workdir": ...}, and again where another mode follows; to this, no answer
in, then:       {"id": ..., "layer" or "network": ..., "data": {NAME: ARRAY}, "steps": [{"verb": ...}, ...]}
out, then:      {"id": ..., "steps": [STEP, ...], "seconds": ...}, one flushed line for each line that came in
STEP:           {"quantities": {NAME: ARRAY}} and, where it happened, "raised": [type, message]
                or "unsupported": reason, which ends the case
ARRAY:          [dtype, shape, base64 of the little-endian bytes in C order]; null for None;
                a text that says what came instead for anything that is no numeric array

The adapter's standard streams are logs: what it prints on either goes to our stderr, its stdin is empty.
"""

import binascii
import faulthandler
import importlib
import importlib.util
import inspect
import json
import os
import platform
import select
import signal
import sys
import threading
import time

import numpy as np

LONGEST_TEXT = 2000
PIPE_BYTES = 1 << 16  # as many as a pipe holds
FORMS = {}  # {name: (dtype, shape, how such a quantity is written, in bytes, with %s for its base64)}
WRITERS = {"save", "export"}
SCALARS = ("training", "of", "recompile", "loss", "optimizer", "epochs", "batch_size", "through")
ARRAYS = ("mask", "targets", "upstream", "validation", "validation_targets")


def take_streams():
    """Keep stdin and stdout for the protocol; whatever the framework prints goes to stderr."""
    requests, answers = os.fdopen(os.dup(0), "rb", PIPE_BYTES), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    # line by line, so that a crash takes nothing along, and in any encoding
    sys.stdout = sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    return requests, answers


def unpack(array):
    """[dtype, shape, base64] -> shape, dtype and bytes of an ndarray; float32 for bfloat16, which NumPy does not have."""
    dtype, shape, text = array
    return shape, "float32" if dtype == "bfloat16" else dtype, binascii.a2b_base64(text)


def fresh_array(shape, dtype, data):
    """An ndarray that nobody else holds."""
    return np.ndarray(shape, dtype, bytearray(data))


def decode(array):
    """[dtype, shape, base64] -> ndarray."""
    return fresh_array(*unpack(array))


def encode(name, value):
    """A quantity as an entry of a JSON object: [dtype, shape, base64], null for None, a text for anything else.

    Arrays are most of an answer, and json.dumps would take longer over them than a small layer takes to compute them.
    """
    try:
        dtype, shape, form = FORMS[name]
        if value.dtype is not dtype or value.shape != shape:
            raise KeyError(name)
    except (AttributeError, KeyError, TypeError):
        key = json.dumps(str(name)).encode("ascii") + b": "
        if not isinstance(value, (np.ndarray, np.generic)):
            return key + other(value)
        if value.dtype.name == "bfloat16":  # of the package ml_dtypes
            return key + other(("bfloat16", np.asarray(value, "float32")))
        form = key.replace(b"%", b"%%") + array_form(value.dtype, value.shape)
        FORMS[name] = value.dtype, value.shape, form
    return form % binascii.b2a_base64(value.tobytes(), newline=False)


def other(value):
    """None, a pair ("bfloat16", float32 array), or anything else as a text that says what it is, all as JSON."""
    if value is None:
        return b"null"
    if isinstance(value, tuple) and len(value) == 2 and value[0] == "bfloat16" and isinstance(value[1], np.ndarray):
        array = np.asarray(value[1], "float32")
        form = array_form(array.dtype, array.shape).replace(b"float32", b"bfloat16")
        return form % binascii.b2a_base64(array.tobytes(), newline=False)
    return json.dumps(shorten("%s %r" % (type(value).__name__, value))).encode("ascii")


def array_form(dtype, shape):
    """What an encoded array of a dtype and shape looks like, around its base64."""
    if dtype.kind not in "fiub" or not dtype.isnative:
        what = json.dumps("an array of %s" % (dtype.name if dtype.isnative else dtype.str))
        return what.encode("ascii") + b"%.0s"
    return b'["%s", %s, "%%s"]' % (dtype.name.encode("ascii"), str(list(shape)).encode("ascii"))


def joined(said, entries):
    """A JSON object: what is said besides, if anything, then entries that are JSON already."""
    return (json.dumps(said)[:-1].encode("ascii") + b", " if said else b"{") + entries + b"}"


def shorten(text):
    """Text of bounded length: messages of frameworks can be megabytes."""
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + " ... (%d characters)" % len(text)


def told(error):
    """[type, message] of an exception."""
    try:
        message = str(error)
    except Exception as unreadable:
        message = "its message cannot be read: %s" % type(unreadable).__name__
    return [type(error).__name__, shorten(message)]


class Unknown(Exception):
    """A verb or an argument that this adapter does not have."""


def with_arrays(spec):
    """A layer's or network's settings, with the variables that the case gives it as arrays."""
    if isinstance(spec, list):
        return [with_arrays(entry) for entry in spec]
    nested = {"layers": with_arrays(spec["layers"])} if "layers" in spec else {}
    return dict(spec, variables={name: decode(array) for name, array in spec["variables"].items()}, **nested)


def fresh(spec, settings):
    """The settings as a program would start with that is about to restore: nothing given, all at its start."""
    if isinstance(spec, list):
        return [fresh(entry, settings) for entry in spec]
    if "layers" in spec:
        return dict(spec, layers=fresh(spec["layers"], settings))
    if "features" in settings:
        settings = dict(settings, shape=spec["shape"][:-1] + [settings["features"]])
    return dict(spec, variables={}, **settings)


class Session:
    """One case in progress: the layer that the adapter made, and what is needed to make another."""

    def __init__(self, adapter, mode, case, folder):
        kind = "network" if "network" in case else "layer"
        make = getattr(adapter, kind.capitalize(), None)
        if make is None:
            raise Unknown("the adapter has no %s" % kind)
        self.make = lambda spec: make(with_arrays(spec), mode, folder)
        self.spec, self.folder = case[kind], folder
        self.data = {name: unpack(array) for name, array in case["data"].items()}
        self.layer = self.make(self.spec)

    def perform(self, step):
        """Do one step; returns the quantities that it computes, without the state."""
        verb = step["verb"]
        if verb in ("train", "predict") and len(step) == 2:  # no mask, and nothing else out of the ordinary
            return {"output": self.method(verb)(fresh_array(*self.data[step["data"]]))}
        if verb == "set":
            self.call("set", {name: decode(array) for name, array in step["values"].items()})
            return {}
        if verb in ("save", "restore"):
            self.checkpoint(step)
            return {}
        if verb == "export":
            self.call("export", os.path.join(self.folder, step["name"]))
            return {}
        arrays = [fresh_array(*self.data[step["data"]])] if "data" in step else []
        named = {name: fresh_array(*self.data[step[name]]) for name in ARRAYS if name in step}
        named.update((name, step[name]) for name in SCALARS if name in step)
        if "exported" in step:
            named["exported"] = os.path.join(self.folder, step["exported"])
        result = self.call(verb, *arrays, **named)
        if verb in ("train", "predict", "call"):
            return {"output": result}
        if verb == "evaluate":
            return {"loss": np.asarray(result, "float32")}
        return dict(result) if verb == "backward" else {}  # what fit and freeze return is their own affair

    def checkpoint(self, step):
        """Write a checkpoint, or read it into the layer there is or into one newly made by the same constructor call."""
        path = os.path.join(self.folder, step["name"])
        if step["verb"] == "save":
            return self.call("save", path)
        if step["into"] == "fresh":
            self.layer = self.make(fresh(self.spec, step.get("settings", {})))
        return self.call("restore", path, **({"omit": step["omit"]} if "omit" in step else {}))

    def method(self, verb):
        """The layer's method for a verb."""
        method = getattr(self.layer, verb, None)
        if method is None:
            raise Unknown("the adapter has no %s" % verb)
        return method

    def call(self, verb, *arrays, **named):
        """Call a verb; an argument that it does not take is not supported."""
        method = self.method(verb)
        accepted = inspect.signature(method).parameters
        for name in named:
            if name not in accepted:
                raise Unknown("the adapter's %s takes no %s" % (verb, name))
        return method(*arrays, **named)

    def observe(self, step):
        """One step and the state after it, as JSON."""
        observed, quantities = {}, {}
        try:
            quantities = self.perform(step)
        except Exception as error:  # whatever a framework raises is an observation
            if unsupported(error):
                return joined({"unsupported": shorten(str(error))}, b'"quantities": {}')
            observed["raised"] = told(error)
        try:
            state = self.layer.state()
            if not isinstance(state, dict):
                raise TypeError("state() returned %s, not a dict" % type(state).__name__)
            quantities.update(state)
        except Exception as error:
            observed.setdefault("raised", told(error))
        entries = b", ".join([encode(name, value) for name, value in quantities.items()])
        return joined(observed, b'"quantities": {%s}' % entries)


def unsupported(error):
    """Whether an exception says that the framework has no such thing: ours, or the adapter's own class of the name."""
    return isinstance(error, Unknown) or type(error).__name__ == "Unsupported"


def run_case(adapter, settings, case, number):
    """Observe every step of one case; returns the line of JSON that answers it."""
    started = time.perf_counter()
    ending, steps = {}, []
    folder = settings["workdir"]
    if not WRITERS.isdisjoint([step["verb"] for step in case["steps"]]):
        folder = os.path.join(folder, str(number))
        os.mkdir(folder)
    try:
        session = Session(adapter, settings["mode"], case, folder)
        for step in case["steps"]:
            steps.append(session.observe(step))
            if steps[-1].startswith(b'{"unsupported"'):
                break
    except Exception as error:
        ending = {"unsupported": shorten(str(error))} if unsupported(error) else {"raised": told(error)}
    said = json.dumps(case["id"]).encode("ascii"), time.perf_counter() - started, b", ".join(steps)
    return joined(ending, b'"id": %s, "seconds": %.6f, "steps": [%s]' % said)


def load(path):
    """Import the adapter from its file, under a name that shadows nothing."""
    spec = importlib.util.spec_from_file_location("conformance_adapter", path)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # where compilers look for its source
    spec.loader.exec_module(module)
    return module


def put_in_place(adapter, names):
    """Hand the classes that are named `module:Class` to the adapter."""
    use_layer = getattr(adapter, "use_layer", None)
    if use_layer is None:
        raise Unknown("the adapter has no use_layer, so it takes no --layer")
    classes = []
    for name in names.split(","):
        module, _, path = name.partition(":")
        found = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
        classes.append(found)
    use_layer(*classes)


def introduce(adapter):
    """The first line: what the adapter says of itself, and the versions of everything that it brought along."""
    library = os.path.dirname(os.__file__)
    versions = {}
    for name, module in sorted(sys.modules.items()):
        file, version = getattr(module, "__file__", None), getattr(module, "__version__", None)
        if "." in name or not file or not isinstance(version, str):
            continue
        if "site-packages" in file or not file.startswith(library):
            versions[name] = version
    return {
        "ready": adapter.describe(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": versions,
    }


def leave(status=0):
    """End this process, and all that it started where it leads a group of its own: that is how the suite starts it."""
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(status)


def leave_with(requests):
    """End with whoever asks, should they be killed, whatever the framework is doing then: nobody else could end it."""
    asker = os.getppid()

    def watch():
        poll = select.poll()
        poll.register(requests, 0)  # wakes when the other end is closed, and takes nothing from it
        poll.poll()
        while os.getppid() == asker:
            time.sleep(0.05)
        leave(1)

    if hasattr(select, "poll"):
        threading.Thread(target=watch, daemon=True).start()


def main():
    """Load the adapter, then answer line by line until the input ends."""
    faulthandler.enable()
    requests, answers = take_streams()
    leave_with(requests)
    sys.path[:0] = sys.argv[2:]

    def answer(line):
        try:
            answers.write(line + b"\n")
            answers.flush()
        except BrokenPipeError:  # nobody is there any more
            leave(1)

    try:
        adapter = load(sys.argv[1])
        if os.environ.get("CONFORMANCE_LAYER"):
            put_in_place(adapter, os.environ["CONFORMANCE_LAYER"])
        first = json.dumps(introduce(adapter)).encode("ascii")
    except BaseException as error:  # an import may end in SystemExit too
        answer(json.dumps({"failed": told(error)}).encode("ascii"))
        os._exit(1)
    answer(first)
    settings = json.loads(requests.readline().decode("ascii"))
    if settings["device"] != "cpu":
        adapter.use(settings["device"])
    for number, request in enumerate(requests):
        request = json.loads(request.decode("ascii"))
        if "mode" in request:
            settings = request
        else:
            answer(run_case(adapter, settings, request, number))
    leave()


if __name__ == "__main__":
    main()
