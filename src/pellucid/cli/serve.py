"""``pellucid serve`` and ``pellucid health``: the page and the service, and whether they are well."""

from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.cli import options
from pellucid.cli.rows import with_options
from pellucid.errors import ConfigError, MissingExtraError, PellucidError

if TYPE_CHECKING:
    from pellucid.app.options import ServiceOptions


@with_options
def serve(*, service: Annotated["ServiceOptions", options.SERVING]) -> None:
    """Open a page to restore pictures in a browser, and a service for programs. Ctrl-C finishes what runs."""
    try:
        from pellucid.app.server import serve as listen
    except ImportError as error:
        if isinstance(error, PellucidError):
            raise
        raise MissingExtraError("The service", "serve") from None
    listen(service, on_address=lambda address: typer.echo(address, err=True))


def health(
    url: Annotated[str, typer.Argument(help="Of the service.")] = "http://127.0.0.1:7860",
    timeout: Annotated[float, typer.Option(help="Seconds to wait for an answer.")] = 5.0,
) -> None:
    """Ask a service whether it is ready. Exit code 1 if it is not."""
    from urllib.request import urlopen

    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"{url}: an address begins with http:// or https://")
    try:
        with urlopen(f"{url.rstrip('/')}/readyz", timeout=timeout):
            typer.echo("ready")
    except OSError as error:  # of the network, or an answer that is none
        typer.echo(f"pellucid: {url} is not ready: {error}", err=True)
        raise typer.Exit(1) from None
