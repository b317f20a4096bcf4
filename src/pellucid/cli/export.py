"""``pellucid export``: a model as a file that other programs run."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pellucid.cli import options, printing


def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A name from 'pellucid models', or a checkpoint file.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write. Default: MODEL.onnx or MODEL.xml.")
    ] = None,
    format: Annotated[str, typer.Option("--format", "-f", help="onnx or openvino.")] = "onnx",
    precision: Annotated[str, typer.Option("--precision", help="fp32, fp16, or for ONNX bf16.")] = "fp32",
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Write a model for ONNX Runtime, OpenVINO or TensorRT, and check that the file gives the model's values."""
    from pellucid.inference.export import export_model

    exported = export_model(model, output, format=format, precision=precision, overwrite=overwrite)
    if as_json:
        typer.echo(printing.to_json({**asdict(exported), "difference": exported.difference}))
        return
    typer.echo(printing.printable(str(exported.path)))
    sizes = ", ".join(exported.differences)
    typer.echo(f"pellucid: differs from PyTorch by {exported.difference:.1e} at most (at {sizes})", err=True)
