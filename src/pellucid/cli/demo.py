"""``pellucid demo``: see it work on a sample photo, or on yours."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pellucid.cli import options


def demo(
    image: Annotated[Path | None, typer.Option("--image", help="Your photo. Default: a sample photo.")] = None,
    output: options.OutputFile = Path("demo/before-after.png"),
    sigma: Annotated[float, typer.Option(min=0, help="Strength of the noise, on the scale of 0-255.")] = 25.0,
    model: options.Model = None,
    device: options.Device = "auto",
    as_json: options.Json = False,
) -> None:
    """Add noise to a photo, restore it, and show before and after."""
    from pellucid.checkpoints import load_network
    from pellucid.demo import run_demo
    from pellucid.inference import Restorer
    from pellucid.zoo import find_model

    restorer = Restorer(load_network(find_model(model, "denoise")), device=device)
    result = run_demo(restorer, output, image=image, sigma=sigma)
    if as_json:
        typer.echo(json.dumps(asdict(result), indent=2, default=str))
        return
    typer.echo("            before   after")
    typer.echo(f"PSNR, dB    {result.psnr_before:6.2f}  {result.psnr_after:6.2f}")
    typer.echo(f"SSIM        {result.ssim_before:6.4f}  {result.ssim_after:6.4f}")
    typer.echo(f"restored in {result.seconds:.2f} s; the picture: {result.picture}")
