"""A bug report in Markdown around a script that reproduces it."""

from __future__ import annotations

from conformance.render.words import why
from conformance.reproduce import Reproduced


def report(found: Reproduced) -> str:
    """Title, what is expected and seen, why it matters, the script, the versions, and where it is documented."""
    case, run = found.case, found.run
    provenance, target = run.header.provenance, run.header.target
    versions = {"python": provenance.get("python", ""), **provenance.get("versions", {})}
    effect = [f"If it stays so: {case.text.effect}", ""] if case.text.effect else []
    lines = [
        f"# {target.environment}: {case.text.title[0].lower()}{case.text.title[1:]}? It does not",
        "",
        f"Expected: {case.text.title}.",
        "",
        f"Seen: {why(found.result)}.",
        "",
        *effect,
        "```python",
        found.script.rstrip("\n"),
        "```",
        "",
        f"Versions: {', '.join(f'{name} {version}' for name, version in versions.items())}",
        f"Platform: {provenance.get('platform', '')}",
        "",
        *(f"- {source.url}" for source in case.text.sources),
    ]
    return "\n".join(lines) + "\n"
