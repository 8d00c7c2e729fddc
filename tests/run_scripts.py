"""Runs the scripts that come in, and says what each printed. For Python 3.6 or newer, without anything of ours.

in:   one script to a line, as JSON
out:  one text to a line, as JSON: what the script printed, and what it raised

What a script imports is imported here, once; then it runs in a fork, so that none sees what another did.
"""

import json
import os
import re
import sys
import tempfile
import traceback


def run(script):
    """Execute a script in a folder of its own, and end this process."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            exec(compile(script, "script", "exec"), {"__name__": "__main__"})
        except Exception:  # noqa: BLE001 - whatever a script does wrong is told
            sys.stdout.write("raised " + traceback.format_exc(limit=-1))
        os.chdir("/")
    sys.stdout.flush()
    os._exit(0)


def said_by(script):
    """What a script prints."""
    exec("\n".join(re.findall(r"^(?:import|from) .*", script, re.MULTILINE)), {})
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(writer, 1)
        run(script)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what is printed while importing
for line in sys.stdin:
    answers.write(json.dumps(said_by(json.loads(line))) + "\n")
    answers.flush()
