"""``pellucid serve`` and ``pellucid health``: the page and the service, and whether they are well."""

from typing import Annotated

import typer

from pellucid.errors import ConfigError, MissingExtraError, PellucidError

TOKEN = "PELLUCID_TOKEN"


def serve(
    host: Annotated[str, typer.Option(help="Where to listen. Beyond this machine, a token is needed.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any that is free.")] = 7860,
    token: Annotated[
        str | None, typer.Option(envvar=TOKEN, help="What clients must bring: Authorization: Bearer TOKEN.")
    ] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Let everybody in who reaches HOST.")] = False,
    allow_host: Annotated[list[str] | None, typer.Option(help="A name by which others call it.")] = None,
    allow_origin: Annotated[
        list[str] | None, typer.Option(help="A page that may use it, such as https://photos.example.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that restore; each uses all cores.")] = 1,
    max_megapixels: Annotated[float, typer.Option(help="Of the largest picture.")] = 100.0,
    queue: Annotated[float, typer.Option(help="Megapixels that may wait.")] = 400.0,
    timeout: Annotated[float, typer.Option(help="Seconds for each picture.")] = 600.0,
    memory: Annotated[float, typer.Option(help="GiB that one worker may hold.")] = 8.0,
) -> None:
    """Open a page to restore pictures in a browser, and a service for programs. Ctrl-C finishes what runs."""
    try:
        from pellucid.app.options import ServiceOptions
        from pellucid.app.server import serve as listen
    except ImportError as error:
        if isinstance(error, PellucidError):
            raise
        raise MissingExtraError("The service", "serve") from None
    listen(
        ServiceOptions(
            host=host,
            port=port,
            token=token,
            insecure=insecure,
            allowed_hosts=tuple(allow_host or ()),
            allowed_origins=tuple(allow_origin or ()),
            workers=workers,
            megapixels=max_megapixels,
            queued_megapixels=queue,
            seconds=timeout,
            memory_bytes=round(memory * 2**30),
        ),
        on_address=lambda address: typer.echo(address, err=True),
    )


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
