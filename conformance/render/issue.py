"""A bug report in Markdown around a script that reproduces it."""

from __future__ import annotations

from conformance.case import Case
from conformance.judge import Result
from conformance.render.words import why
from conformance.runs import Run


def report(script: str, case: Case, run: Run, result: Result) -> str:
    """Title, what is expected and seen, why it matters, the script, the versions, and where it is documented."""
    provenance, target = run.header.provenance, run.header.target
    versions = {"python": provenance.get("python", ""), **provenance.get("versions", {})}
    effect = [f"If it stays so: {case.text.effect}", ""] if case.text.effect else []
    lines = [
        f"# {target.environment}: {case.text.title[0].lower()}{case.text.title[1:]}? It does not",
        "",
        f"Expected: {case.text.title}.",
        "",
        f"Seen: {why(result)}.",
        "",
        *effect,
        "```python",
        script.rstrip("\n"),
        "```",
        "",
        f"Versions: {', '.join(f'{name} {version}' for name, version in versions.items())}",
        f"Platform: {provenance.get('platform', '')}",
        "",
        *(f"- {source.url}" for source in case.text.sources),
    ]
    return "\n".join(lines) + "\n"
