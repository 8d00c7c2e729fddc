"""Options and commands for somebody else's CI: reach a build of one's own, run in parts, pin the corpus."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable
from dataclasses import fields as fields_of
from pathlib import Path
from typing import Any

import click

LAYER = "CONFORMANCE_LAYER"
OUTPUT = "Folder of the report.  [default: reports; for --case and --shard one in it, so that no whole run is lost]"


def _environment(_ctx: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """NAME=VALUE pairs as a dictionary."""
    pairs = [pair.partition("=") for pair in given]
    for name, equals, _ in pairs:
        if not name or not equals:
            raise click.BadParameter(f"{name!r} is not of the form NAME=VALUE")
    return {name: value for name, _, value in pairs}


def _layers(_ctx: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """Classes, each as package.module:Class."""
    for name in given:
        if not re.fullmatch(r"\w+(\.\w+)*:\w+(\.\w+)*", name):
            raise click.BadParameter(f"{name!r} is not of the form package.module:Class")
    return given


ENV = click.option(
    "--env",
    "environment",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_environment,
    help="Set in the framework's process, and written into the run file: no place for secrets.",
)
PATH = click.option("--path", "paths", multiple=True, metavar="FOLDER", help="Goes in front of the import path.")
LAYERS = click.option(
    "--layer",
    "layers",
    multiple=True,
    metavar="MODULE:CLASS",
    callback=_layers,
    help="A class of your own in place of the framework's.",
)


def reaching(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --env, --path and --layer; they come as `reach`, the fields of an Interpreter."""

    @functools.wraps(command)
    def wrapped(environment: dict[str, str], paths: tuple[str, ...], layers: tuple[str, ...], **others: Any) -> Any:
        return command(reach=fields(environment, paths, layers), **others)

    return ENV(PATH(LAYERS(wrapped)))


def fields(environment: dict[str, str], paths: tuple[str, ...], layers: tuple[str, ...]) -> dict[str, Any]:
    """What the options say, as fields of an Interpreter; PYTHONPATH, which `python -I` ignores, as folders."""
    named = environment.get("PYTHONPATH", "").split(os.pathsep)
    folders = tuple(str(Path(folder).resolve()) for folder in (*paths, *named) if folder)
    return {"environment": {**environment, **({LAYER: ",".join(layers)} if layers else {})}, "paths": folders}


def _shard(_ctx: click.Context, _option: click.Parameter, given: str | None) -> Any:
    """`i/n` as a shard."""
    from conformance import shards

    try:
        return shards.parse(given) if given else None
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


EXTENT = (
    click.option("--shard", metavar="I/N", callback=_shard, help="Only the cases of part I of N."),
    click.option("--corpus", metavar="NAME", help="Only the cases of a pinned corpus; new ones are listed."),
    click.option("--repeat", type=click.IntRange(1), default=1, help="Answer each case so often; tell what differs."),
    click.option(
        "--cache/--no-cache", default=True, help="Reuse observations where nothing has changed.  [default: yes]"
    ),
    click.option("--page/--no-page", default=True, help="Render the page of all runs in the folder.  [default: yes]"),
    click.option("--annotate", is_flag=True, help="Also print what is red as GitHub's ::error lines."),
)


def extended(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say how much is run; they come as `extent`."""

    @functools.wraps(command)
    def wrapped(*, resume: bool, **given: Any) -> Any:
        from conformance.extent import Extent

        extent = Extent(**{field.name: given.pop(field.name) for field in fields_of(Extent)})
        if resume and not extent.cached:
            raise click.UsageError("--resume takes earlier observations over, --no-cache and --repeat want new ones")
        return command(extent=extent, resume=resume, **given)

    for option in reversed(EXTENT):
        wrapped = option(wrapped)
    return wrapped


def folder_for(reports: Path, extent: Any, globs: tuple[str, ...]) -> Path:
    """Where a report goes unless one says where: no whole run is replaced by a part of one."""
    if extent.shard:
        return reports / f"shard-{extent.shard.index}-of-{extent.shard.count}"
    return reports / "filtered" if globs else reports


@click.command()
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def merge(out: Path, runs: tuple[Path, ...]) -> None:
    """Join run files of one target (its shards, say) into OUT; what does not belong together is refused."""
    from conformance.merge import merge as join

    header = join(out, runs)
    click.echo(f"{out}: {len(header.cases)} cases of {header.target.label} on {header.target.environment}")


@click.command()
@click.option("--cases", "root", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Other cases.")
@click.option("--freeze", metavar="NAME", help="Pin the cases that there are now under this name.")
def corpus(root: Path | None, freeze: str | None) -> None:
    """List the pinned corpora and what has changed since each, or pin one."""
    from conformance import corpora, places
    from conformance.corpus import select

    every = select(root or places.cases(), ())
    if freeze:
        click.echo(f"{corpora.freeze(every, freeze)}: {len(every.ids)} cases")
        return
    for name in corpora.names(every.root):
        pinned = corpora.pinned(every, name)
        changes = f"{len(pinned.new)} new since then, {len(pinned.changed)} changed, {len(pinned.gone)} gone"
        click.echo(f"{name:12} {len(pinned.corpus.ids)} cases; {changes}")


MACHINES = (merge, corpus)
