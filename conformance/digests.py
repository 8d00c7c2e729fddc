"""Digests by which cases, files and settings are known: short enough to read, long enough to be their own."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path


def of(raw: bytes) -> str:
    """The digest of bytes."""
    return hashlib.sha256(raw).hexdigest()[:16]


def of_value(value: object) -> str:
    """The digest of what JSON can say, in whatever order its keys are."""
    return of(json.dumps(value, sort_keys=True).encode())


def of_file(path: Path) -> str:
    """The digest of a file's bytes."""
    return of(path.read_bytes())
