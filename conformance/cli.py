"""The command line: thin over the stages, which do the work."""

from __future__ import annotations

import atexit
import gc
import json
import sys
from pathlib import Path
from typing import Any

import click

from conformance import __version__
from conformance.cli_ci import MACHINES, OUTPUT, extended, folder_for, reaching
from conformance.cli_compare import compare, report
from conformance.cli_options import CASES, RUNS
from conformance.cli_questions import QUESTIONS
from conformance.cli_timeline import timeline

GREEN, RED, BAD_USAGE, CANNOT_RUN, INTERRUPTED = 0, 1, 2, 3, 130


class Group(click.Group):
    """Commands whose bad input ends in a message and status 2, and a full disk in one and 3, never in a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; bad input, and what the system refuses, is told and ends with its status; so does Ctrl-C."""
        from conformance.strict_yaml import BadInput

        try:
            return super().invoke(ctx)
        except BadInput as error:
            for problem in error.problems:
                click.echo(problem, err=True)
            sys.exit(BAD_USAGE)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        except BrokenPipeError:
            sys.exit(GREEN)
        except OSError as error:
            click.echo(f"{error.filename or 'the system'}: {error.strerror or error}", err=True)
            sys.exit(CANNOT_RUN)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """What does batch normalisation do to its state? Runs cases on frameworks and says where they differ."""
    gc.set_threshold(50_000, 20, 20)  # cases and results are many small objects, and nearly all of them stay
    atexit.register(gc.freeze)  # to the end, when nobody needs to look through them once more


@main.command("list")
@click.argument("what", type=click.Choice(["cases", "targets"]), default="cases")
@CASES
@click.option("--case", "globs", multiple=True, metavar="GLOB", help="Only cases whose id matches.")
def list_(what: str, root: Path, globs: tuple[str, ...]) -> None:
    """List the cases, or the adapters and whether their framework is here."""
    if what == "targets":
        from conformance import adapters

        for adapter in adapters.find():
            here = "" if adapter.present() else f"  (needs {', '.join(adapter.absent())})"
            click.echo(f"{adapter.name:24}{adapter.summary}{here}")
        return
    from conformance.titles import titles

    for case_id, title in titles(root, globs):
        click.echo(f"{case_id:60} {title}")


@main.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@CASES
@click.option("--coverage", is_flag=True, help="Say which cases prove which statement, and see which fault.")
def lint(paths: tuple[Path, ...], root: Path, *, coverage: bool) -> None:
    """Check case files, or folders of them, thoroughly, and say how clearly each tells faults apart."""
    from conformance import adapters, known, places
    from conformance.authoring.files import case_files
    from conformance.ids import find
    from conformance.lint import lint as check

    if coverage:
        from conformance.corpus import select
        from conformance.coverage import coverage as measure
        from conformance.coverage import told

        click.echo("\n".join(told(measure(select(root, ())))))
        return
    files = case_files(paths, root)
    mended = True
    for file in files:
        linted = check(file)
        mended = mended and not linted.problems
        for problem in linted.problems:
            click.echo(problem, err=True)
        if linted.least:
            click.echo(f"{file}: {linted.least}")
    for problem in [] if paths else known.lint(places.adapters() / "known.yaml", find(root), adapters.names()):
        click.echo(problem, err=True)
        mended = False
    if not files:
        click.echo("there is no case (*.yaml) here", err=True)
    if not mended or not files:
        sys.exit(BAD_USAGE)
    click.echo(f"{len(files)} cases, nothing to mend")


@main.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@CASES
@click.option("--check", is_flag=True, help="Write nothing; fail if anything would be written.")
def fmt(paths: tuple[Path, ...], root: Path, *, check: bool) -> None:
    """Write case files, or folders of them, in their canonical form; without any, the whole corpus."""
    from conformance.authoring.files import case_files, format_files

    files = case_files(paths, root)
    changed = format_files(files, check=check)
    for file in changed:
        click.echo(f"{'would format' if check else 'formatted'} {file}")
    click.echo(f"{len(files) - len(changed)} of {len(files)} cases were in their canonical form")
    sys.exit(RED if check and changed else GREEN)


@main.command()
@click.argument("path", type=click.Path(path_type=Path))
@CASES
@click.option("--title", default="What is claimed, in one sentence", help="The claim, in one sentence.")
@click.option("--statement", "statements", multiple=True, metavar="ID", help="A sentence of the specification.")
@click.option("--features", type=click.IntRange(1, 8), default=1, show_default=True, help="Channels of the layer.")
def new(path: Path, root: Path, title: str, statements: tuple[str, ...], features: int) -> None:
    """Write a new case for you to edit, at PATH below the folder of cases."""
    from conformance.authoring.new import create

    click.echo(f"{create(path, root, title, statements, features)} is written: edit {path}")


@main.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
def fill(paths: tuple[Path, ...]) -> None:
    """Write into case files the literals that they ask for, from exact arithmetic."""
    from conformance.authoring.fill import fill_files

    for file, changed in fill_files(paths):
        click.echo(f"{file}: {'filled in' if changed else 'nothing to fill in'}")


@main.command()
def schema() -> None:
    """Print the JSON Schema of a case file, for editors."""
    from conformance.case import schema as make

    click.echo(json.dumps(make(), indent=2))


@main.command()
@click.argument("case_id", metavar="CASE")
@CASES
@click.option("--dialect", "changes", multiple=True, metavar="KNOB=VALUE", help="Trace under another convention.")
def show(case_id: str, root: Path, changes: tuple[str, ...]) -> None:
    """Show a case (an id or a file): what it says, its data, and the reference's trace step by step."""
    from conformance.corpus import select
    from conformance.dialect import STANDARD
    from conformance.load import load
    from conformance.render.terminal import print_case

    pairs = [change.partition("=")[::2] for change in changes]
    try:
        dialect = STANDARD.under(dict(pairs))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--dialect") from None
    path = Path(case_id)
    case = load(path) if path.suffix == ".yaml" else next(iter(select(root, (case_id,))))
    print_case(case, dialect)


@main.command()
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@CASES
@click.option("--case", "globs", multiple=True, metavar="GLOB", help="Only cases whose id matches.")
@click.option("--mode", "modes", multiple=True, help="Only this mode of the adapters.")
@click.option("--python", default=sys.executable, show_default=False, help="The framework's interpreter.")
@reaching
@click.option("--device", default="cpu", show_default=True, help="What the framework computes on.")
@click.option("--timeout", default=60.0, show_default=True, help="Seconds that one case may take.")
@click.option("-j", "--jobs", type=click.IntRange(1), default=None, help="Processes side by side.  [default: cores]")
@click.option("--resume", is_flag=True, help="Go on with an interrupted run.")
@click.option("--known", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Known divergences.")
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), help=OUTPUT)
@extended
def run(
    targets: tuple[str, ...],
    root: Path,
    globs: tuple[str, ...],
    modes: tuple[str, ...],
    python: str,
    reach: dict[str, Any],
    device: str,
    timeout: float,
    jobs: int | None,
    resume: bool,
    known: Path | None,
    output: Path | None,
    extent: Any,
) -> None:
    """Run adapters (a name or a file each; without any, all whose framework is here) and write the report."""
    from conformance.commands import run_and_report
    from conformance.process import Interpreter

    output = output or folder_for(RUNS, extent, globs)
    words = [*targets, *(f"--case={glob}" for glob in globs), *(f"--mode={mode}" for mode in modes)]
    interpreter = Interpreter(python=python, device=device, timeout=timeout, **reach)
    sys.exit(run_and_report(targets, root, globs, modes, interpreter, jobs, resume, known, output, words, extent))


@main.command()
@click.argument("adapter")
@click.option("--python", default=sys.executable, show_default=False, help="The framework's interpreter.")
@reaching
@click.option("--timeout", default=60.0, show_default=True, help="Seconds that one verb may take.")
def smoke(adapter: str, python: str, reach: dict[str, Any], timeout: float) -> None:
    """Drive every verb of an adapter once and say what is wrong with the adapter itself."""
    from conformance.commands import smoke_test
    from conformance.process import Interpreter

    sys.exit(smoke_test(adapter, Interpreter(python=python, timeout=timeout, **reach)))


for command in (*QUESTIONS, *MACHINES, report, compare, timeline):
    main.add_command(command)

if __name__ == "__main__":
    main()
