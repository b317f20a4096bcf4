"""``pellucid benchmark``: scores on clean pictures under the literature's protocol."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.cli import options
from pellucid.errors import ConfigError

if TYPE_CHECKING:
    from pellucid.benchmark.gaussian import GaussianRow


def benchmark(
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER...", help="Folders of clean pictures.")],
    sigma: Annotated[str, typer.Option("--sigma", help="Noise levels, on the scale of 0-255.")] = "15,25,50",
    model: options.Model = None,
    tile: options.Tile = "auto",
    precision: options.Precision = "fp32",
    device: options.Device = "auto",
    as_json: options.Json = False,
) -> None:
    """Test a denoiser: Gaussian noise, PSNR and SSIM in RGB, means over each folder."""
    from pellucid.benchmark.gaussian import evaluate_gaussian

    _, restorer = options.load_restorer(model, None, tile=tile, precision=precision, device=device)
    rows: list[GaussianRow] = []
    if not as_json:
        typer.echo(
            f"{'folder':<12}{'images':>7}{'sigma':>7}{'noisy, dB':>11}{'restored':>10}{'SSIM':>8}{'restored':>10}"
        )
    for row in evaluate_gaussian(folders, _parse_sigmas(sigma), restorer):
        rows.append(row)
        if not as_json:
            typer.echo(
                f"{row.folder:<12}{row.images:>7}{row.sigma:>7g}{row.noisy_psnr:>11.2f}{row.psnr:>10.2f}"
                f"{row.noisy_ssim:>8.4f}{row.ssim:>10.4f}"
            )
    if as_json:
        typer.echo(options.to_json([asdict(row) for row in rows]))


def _parse_sigmas(text: str) -> list[float]:
    try:
        sigmas = [float(part) for part in text.split(",")]
    except ValueError:
        sigmas = [-1.0]
    if not all(0 <= sigma < float("inf") for sigma in sigmas):
        raise ConfigError(f"--sigma takes numbers ≥ 0 separated by commas, not '{text}'")
    return sigmas
