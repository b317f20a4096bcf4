"""The ``pellucid`` command: its verbs, its exit codes, and errors without tracebacks.

Exit codes: 0 done; 1 some inputs failed (each named, the others written); 2 wrong usage.
"""

import logging
import sys
from typing import Annotated

import typer

from pellucid import __version__
from pellucid.cli import ablate, benchmark, degrade, demo, evaluate, inspect, models, restore, train
from pellucid.errors import ConfigError, MissingExtraError, ModelError, PellucidError

USAGE_ERRORS = (ConfigError, ModelError, MissingExtraError)

app = typer.Typer(
    name="pellucid",
    help="Give back the photograph behind rain, haze, noise and blur.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
    rich_markup_mode=None,
)
app.command("restore")(restore.restore)
app.command("demo")(demo.demo)
app.command("models")(models.models)
app.command("inspect")(inspect.inspect)
app.command("benchmark")(benchmark.benchmark)
app.command("train")(train.train)
app.command("degrade")(degrade.degrade)
app.command("evaluate")(evaluate.evaluate)
app.command("ablate")(ablate.ablate)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pellucid {__version__}")
        raise typer.Exit


@app.callback()
def main(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say what was assumed and done.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Give back the photograph behind rain, haze, noise and blur."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(message)s",
        stream=sys.stderr,
        force=True,
    )


def run() -> None:
    """Run the command line; errors meant for the user are one line on stderr."""
    try:
        app()
    except USAGE_ERRORS as error:
        typer.echo(f"pellucid: {error}", err=True)
        sys.exit(2)
    except PellucidError as error:
        typer.echo(f"pellucid: {error}", err=True)
        sys.exit(1)
    except OSError as error:
        typer.echo(f"pellucid: {error.filename or 'the system says'}: {error.strerror}", err=True)
        sys.exit(1)
