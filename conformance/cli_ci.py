"""Options and commands for somebody else's CI: how to reach a framework's own build."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

LAYER = "CONFORMANCE_LAYER"


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
