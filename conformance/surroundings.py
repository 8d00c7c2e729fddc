"""Tells whether anything has changed that a framework's interpreter could load. Lives in that interpreter.

Usage:    python -I -B surroundings.py WRITTEN [FOLDER ...]
          WRITTEN: what the suite itself writes, as in PATH; FOLDERs go in front of the import path, as for host.py
May use:  the standard library of Python 3.6 or newer. It imports no framework, which would take seconds.

out:  {"files": DIGEST}, over the interpreter, the machine, and name, size and times of every file on the import path
      and in the folders of shared libraries; or {"uncertain": reason} where code may come from elsewhere
"""

import hashlib
import json
import os
import platform
import sys

APART = ("__pycache__", ".git", "site-packages", "dist-packages")  # below a folder: nobody imports from there
FINDERS = ("_frozen_importlib", "_frozen_importlib_external", "zipimport", "_distutils_hack", "_virtualenv")
LIBRARIES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_INSERT_LIBRARIES")
MACHINE = ("model name", "flags", "Features", "CPU implementer", "CPU part")  # of Linux


def foreign():
    """Where imports may come from that is no folder of the import path: editable installs put finders there."""
    for finder in sys.meta_path + sys.path_hooks:
        module = getattr(finder, "__module__", None) or type(finder).__module__
        if module not in FINDERS:
            return module
    return None


def look(place, whole, seen, top=True):
    """Digest a file's name, size and times, or those of all files in a folder, each folder once, none that was seen.

    A folder without files has no part, nor what is hidden at the top: tools keep there what they did last."""
    status = os.stat(place)
    if not os.path.isdir(place):
        whole.update(line(place, status))
        return
    if identity(status) in seen:
        return
    seen.add(identity(status))
    folders, lines = [], []
    with os.scandir(place) as entries:
        for entry in entries:
            if top and entry.name.startswith("."):
                continue
            if entry.is_dir():
                folders.append(entry.name)
            elif identity(stat(entry)) not in seen:
                lines.append(line(entry.name, stat(entry)))
    if lines:
        whole.update(line(place, None))
        whole.update(b"".join(sorted(lines)))
    for name in sorted(folders):
        if name not in APART:
            look(os.path.join(place, name), whole, seen, top=False)


def stat(entry):
    """Of what a name leads to; None where it leads nowhere."""
    try:
        return entry.stat()
    except OSError:
        return None


def identity(status):
    """Which file it is, whatever leads to it."""
    return status and (status.st_dev, status.st_ino)


def line(name, status):
    """What a file is known by. Its change time has no part: installers that link files into several environments move
    it whenever they make another one."""
    known = [name] if status is None else [name, status.st_size, status.st_mtime_ns, status.st_ino]
    return json.dumps(known).encode("ascii") + b"\n"


def machine():
    """The kind of machine: the last bits of a sum are the processor's."""
    told = [sys.version, sys.executable, platform.platform(), platform.machine(), str(os.cpu_count())]
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            told += sorted({text.strip() for text in file if text.startswith(MACHINE)})
    except OSError:
        told.append(platform.processor())
    return told


def digest(folders, written=()):
    """Over everything but what is written by the suite itself."""
    libraries = os.pathsep.join(os.environ.get(name, "") for name in LIBRARIES)
    places = [sys.executable, *folders, *sys.path, *filter(None, libraries.replace(" ", os.pathsep).split(os.pathsep))]
    whole = hashlib.sha256(json.dumps([machine(), places]).encode("ascii"))
    seen = {identity(os.stat(place)) for place in written if os.path.exists(place)}
    for place in places:
        if os.path.exists(place):
            look(place, whole, seen)
    return whole.hexdigest()[:16]


def main():
    """Look around and say so."""
    try:
        module = foreign()
        written, folders = sys.argv[1].split(os.pathsep), sys.argv[2:]
        uncertain = {"uncertain": "%s has a say in imports" % module}
        answer = uncertain if module else {"files": digest(folders, written)}
    except OSError as error:
        answer = {"uncertain": "%s: %s" % (error.filename, error.strerror)}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
