"""The ``pellucid`` command: its verbs, its exit codes, and errors without tracebacks.

Exit codes: 0 done; 1 some inputs failed (each named, the others written); 2 wrong usage.
"""

import logging
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from pellucid import __version__
from pellucid.cli import ablate, benchmark, degrade, demo, evaluate, export, inspect, models, restore, serve, train
from pellucid.cli.options import in_flags
from pellucid.cli.printing import printable
from pellucid.cli.rows import Verb
from pellucid.errors import ConfigError, MissingExtraError, ModelError, PellucidError
from pellucid.subject import naming

USAGE_ERRORS = (ConfigError, ModelError, MissingExtraError)

app = typer.Typer(
    name="pellucid",
    help="Give back the photograph behind rain, haze, noise and blur.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
    rich_markup_mode=None,
)
app.command("restore", cls=Verb)(restore.restore)
app.command("demo", cls=Verb)(demo.demo)
app.command("models")(models.models)
app.command("inspect")(inspect.inspect)
app.command("benchmark", cls=Verb)(benchmark.benchmark)
app.command("train")(train.train)
app.command("degrade", cls=degrade.DegradeCommand)(degrade.degrade)
app.command("evaluate")(evaluate.evaluate)
app.command("ablate")(ablate.ablate)
app.command("export")(export.export)
app.command("serve", cls=Verb)(serve.serve)
app.command("health")(serve.health)


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
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine("%(message)s"))
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, handlers=[handler], force=True)


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(naming(in_flags(super().format(record))))


def run() -> None:
    """Run the command line; errors meant for the user are one line on stderr."""
    try:
        with _orderly_end():
            app()
    except USAGE_ERRORS as error:
        _fail(str(error), 2)
    except PellucidError as error:
        _fail(str(error), 1)
    except OSError as error:
        _fail(f"{error.filename or 'the system says'}: {error.strerror}", 1)


def _fail(message: str, code: int) -> None:
    typer.echo(f"pellucid: {printable(in_flags(message))}", err=True)
    sys.exit(code)


@contextmanager
def _orderly_end() -> Generator[None]:
    """Have the signals to end, and of a closed terminal, act as Ctrl-C does: temporary files go, whole ones stay."""

    def end(number: int, _: Any) -> None:
        signal.signal(number, signal.SIG_IGN)  # a second one does not disturb the tidying
        raise SystemExit(128 + number)

    numbers = [signal.SIGTERM, *([signal.SIGHUP] if sys.platform != "win32" else [])]
    ours = [number for number in numbers if signal.getsignal(number) == signal.SIG_DFL]  # nohup ignores SIGHUP
    for number in ours:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
