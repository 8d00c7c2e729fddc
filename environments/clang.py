"""Puts a program named clang into a folder, which compiles with the zig of a package: tinygrad wants a compiler.

Usage: python environments/clang.py FOLDER
"""

import sys
from pathlib import Path

CLANG = """#!{python}
import subprocess, sys
# a target without an operating system, no debug information, whose relocations the loader does not know, no sanitizer
arguments = ["--target=x86_64-linux-none" if word.startswith("--target=") else word for word in sys.argv[1:]]
command = [sys.executable, "-m", "ziglang", "cc", *arguments, "-g0", "-fno-sanitize=all"]
sys.exit(subprocess.call(command))
"""

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    program = Path(sys.argv[1]) / "clang"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(CLANG.format(python=sys.executable))
    program.chmod(0o755)
