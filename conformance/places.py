"""Where the cases and the adapters lie: inside the installed package, or beside it in a checkout."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parent


def cases() -> Path:
    """The folder of the suite's cases."""
    inside = PACKAGE / "cases"
    return inside if inside.is_dir() else PACKAGE.parent / "cases"


def adapters() -> Path:
    """The folder of the suite's adapters."""
    inside = PACKAGE / "adapter_files"
    return inside if inside.is_dir() else PACKAGE.parent / "adapters"


def excuses(listed: Path | None) -> list[Path]:
    """The files of known divergences: the suite's own, and the one that was given."""
    return [file for file in (adapters() / "known.yaml", listed) if file is not None and file.is_file()]
