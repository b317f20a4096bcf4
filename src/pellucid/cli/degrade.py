"""``pellucid degrade``: make pictures worse, to look at, to test with or to train on."""

import random
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pellucid.cli import options, printing
from pellucid.cli.rows import with_options
from pellucid.errors import ConfigError

if TYPE_CHECKING:
    from pellucid.files import FileOptions, Job
    from pellucid.files.deadline import CheckTime
    from pellucid.imaging import Frame, Picture
    from pellucid.inference.guard import Watch


@with_options
def degrade(
    inputs: options.Inputs,
    *,
    output: options.Output = None,
    haze: Annotated[str | None, typer.Option(help="light, medium, dense, smoke or any.")] = None,
    rain: Annotated[str | None, typer.Option(help="drizzle, medium, heavy or any.")] = None,
    raindrop: Annotated[str | None, typer.Option(help="few, many, defocused or any.")] = None,
    defocus: Annotated[str | None, typer.Option(help="slight, medium, strong or any.")] = None,
    motion: Annotated[str | None, typer.Option(help="slight, medium, strong or any.")] = None,
    camera: Annotated[str | None, typer.Option(help="Noise of a camera: light, medium, heavy or any.")] = None,
    gaussian: Annotated[float | None, typer.Option(min=0, help="σ of Gaussian noise, on the scale of 0-255.")] = None,
    jpeg: Annotated[int | None, typer.Option(min=1, max=100, help="Quality of JPEG compression.")] = None,
    webp: Annotated[int | None, typer.Option(min=1, max=100, help="Quality of WebP compression.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random; each picture draws its own.")] = 0,
    handling: Annotated["FileOptions", options.FILES.without("together", suffix="degraded")],
    as_json: options.Json = False,
) -> None:
    """Degrade pictures, in the order of these options. Metadata and depth survive; inputs are never overwritten."""
    from pellucid.cli.progress import FileProgress
    from pellucid.degrade import compose, degrade_photo
    from pellucid.files import process_files
    from pellucid.imaging import Photo

    chosen = _chosen(
        levels={
            "haze": haze,
            "rain": rain,
            "raindrop": raindrop,
            "defocus": defocus,
            "motion": motion,
            "camera": camera,
        },
        numbers={"gaussian": gaussian},
        qualities={"jpeg": jpeg, "webp": webp},
    )
    compose(chosen)  # a level that does not exist is found before any work

    def work(picture: "Picture", job: "Job", check_time: "CheckTime") -> "tuple[Picture, list[Watch]]":
        own = random.Random(f"{seed}/{job.source.name}").getrandbits(62)  # so it is the same in any folder

        def degraded(frame: "Frame") -> "Frame":
            check_time()
            return degrade_photo(Photo.of(frame), chosen, seed=own)

        return picture.mapped(degraded), []

    recipe = printing.to_json({"degrade": chosen, "seed": seed})
    make, bars = partial(process_files, work=work, recipe=recipe, options=handling), FileProgress()
    described = {"seed": seed, "degrade": chosen}
    printing.make_files(
        inputs, output, make, bars, described=described, max_pixels=handling.max_pixels, as_json=as_json
    )


def _chosen(
    *, levels: dict[str, str | None], numbers: dict[str, float | None], qualities: dict[str, int | None]
) -> dict[str, dict[str, Any]]:
    """The options as ``compose`` takes them."""
    chosen: dict[str, dict[str, Any]] = {
        name: {} if level == "any" else {"level": level} for name, level in levels.items() if level is not None
    }
    chosen |= {name: {"low": value, "high": value} for name, value in numbers.items() if value is not None}
    chosen |= {name: {"quality": (value, value)} for name, value in qualities.items() if value is not None}
    if not chosen:
        raise ConfigError("nothing to do: name a degradation, for example --rain heavy")
    return chosen
