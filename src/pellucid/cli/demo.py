"""``pellucid demo``: see it work on a sample photo, or on yours."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.cli import options, printing
from pellucid.cli.rows import with_options

if TYPE_CHECKING:
    from pellucid.inference import RestoreOptions

PICTURE = Path("demo/before-after.png")  # ours to replace, unlike any other file


@with_options
def demo(
    *,
    image: Annotated[Path | None, typer.Option("--image", help="Your photo. Default: a sample photo.")] = None,
    output: options.OutputFile = PICTURE,
    sigma: Annotated[float, typer.Option(min=0, help="Strength of the noise, on the scale of 0-255.")] = 25.0,
    model: options.Model = None,
    restoring: Annotated["RestoreOptions", options.RESTORING.only("device")],
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Add noise to a photo, restore it, and show before and after."""
    from pellucid.demo import run_demo

    _, restorer = options.load_restorer(model, None, restoring)
    result = run_demo(restorer, output, image=image, sigma=sigma, overwrite=overwrite or output == PICTURE)
    if as_json:
        typer.echo(printing.to_json(asdict(result)))
        return
    typer.echo("            before   after")
    typer.echo(f"PSNR, dB    {result.psnr_before:6.2f}  {result.psnr_after:6.2f}")
    typer.echo(f"SSIM        {result.ssim_before:6.4f}  {result.ssim_after:6.4f}")
    typer.echo(f"restored in {result.seconds:.2f} s; the picture: {result.picture}")
