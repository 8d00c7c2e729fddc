"""The adapters that there are, known from their files alone: nothing of theirs is imported here."""

from __future__ import annotations

import ast
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

from conformance import places


@dataclass(frozen=True, slots=True)
class Adapter:
    """One adapter file."""

    path: Path

    @property
    def name(self) -> str:
        """The file's name without suffix."""
        return self.path.stem

    def tree(self) -> ast.Module:
        """The file, parsed."""
        return ast.parse(self.path.read_bytes(), str(self.path))

    @property
    def summary(self) -> str:
        """The first line of its docstring."""
        return (ast.get_docstring(self.tree()) or "").partition("\n")[0]

    @property
    def reads(self) -> tuple[str, ...]:
        """The files that its framework is configured by, as its READS says: `$HOME/.config/…`."""
        for node in self.tree().body:
            if isinstance(node, ast.Assign) and [ast.unparse(name) for name in node.targets] == ["READS"]:
                return tuple(map(str, ast.literal_eval(node.value)))
        return ()

    def absent(self) -> list[str]:
        """The top-level packages that it imports and that this interpreter does not have."""
        imported: set[str] = set()
        for node in self.tree().body:
            if isinstance(node, ast.Import):
                imported.update(name.name.partition(".")[0] for name in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.partition(".")[0])
        here = sys.stdlib_module_names
        return sorted(name for name in imported if name not in here and importlib.util.find_spec(name) is None)

    def present(self) -> bool:
        """Whether this interpreter seems to have the framework."""
        return not self.absent()


def find() -> list[Adapter]:
    """The suite's own adapters."""
    return [Adapter(path) for path in sorted(places.adapters().glob("*.py"))]


def names() -> list[str]:
    """Their names."""
    return [adapter.name for adapter in find()]


def named(name: str) -> Adapter:
    """An adapter by its name, or by the path of its file; a LookupError says what there is."""
    known = {adapter.name: adapter for adapter in find()}
    if name in known:
        return known[name]
    if Path(name).is_file():
        return Adapter(Path(name).resolve())
    raise LookupError(f"there is no adapter {name!r}; there is {', '.join(known)}, or the path of a file")
