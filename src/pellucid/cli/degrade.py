"""``pellucid degrade``: make pictures worse, to look at, to test with or to train on."""

import random
from collections.abc import Callable
from functools import partial
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from pellucid.cli import options, printing
from pellucid.cli.rows import Verb, with_options
from pellucid.errors import ConfigError

if TYPE_CHECKING:
    from pellucid.degrade import Kind
    from pellucid.files import FileOptions, Job
    from pellucid.files.deadline import CheckTime
    from pellucid.imaging import Frame, Picture
    from pellucid.inference.guard import TileWatch


def degrade() -> None:
    """Degrade pictures, in the order of these options. Metadata and depth survive; inputs are never overwritten."""


class DegradeCommand(TyperCommand):
    """``degrade``; which degradations there are to be options is only asked when it is used, for it takes PyTorch."""

    def make_context(self, *arguments: Any, **settings: Any) -> Any:
        """The context of the command with all its options."""
        app = typer.Typer(rich_markup_mode=None)
        app.command(cls=Verb)(with_options(_with_degradations()))
        return typer.main.get_command(app).make_context(*arguments, **settings)


def _with_degradations() -> Callable[..., None]:
    """``_degrade`` with an option for each degradation in the place of ``chosen``."""
    from pellucid.degrade import DEGRADATIONS

    kinds = {name: kind for name, kind in DEGRADATIONS.items() if kind.option}

    def run(**given: Any) -> None:
        values = {name: given.pop(name) for name in kinds}
        chosen = {name: kinds[name].meant_by(value) for name, value in values.items() if value is not None}
        _degrade(chosen=chosen, **given)

    parameters: list[Parameter] = []
    for parameter in signature(_degrade).parameters.values():
        parameters += map(_option, kinds, kinds.values()) if parameter.name == "chosen" else [parameter]
    run.__signature__ = Signature([parameter.replace(kind=Parameter.KEYWORD_ONLY) for parameter in parameters])
    run.__doc__ = degrade.__doc__
    return run


def _option(name: str, kind: "Kind") -> Parameter:
    """The option of a degradation."""
    value, least, most, takes = {
        "level": (str, None, None, f"{', '.join(kind.levels)} or any."),
        "sigma": (float, 0, None, "σ, on the scale of 0-255."),
        "quality": (int, 1, 100, "quality, 1 to 100."),
    }[kind.option or ""]
    said = Annotated[value | None, typer.Option(min=least, max=most, help=f"{kind.title}: {takes}")]
    return Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=said)


def _degrade(
    inputs: options.Inputs,
    *,
    output: options.Output = None,
    chosen: dict[str, dict[str, Any]],  # there the command has an option for each degradation
    seed: Annotated[int, typer.Option(min=0, help="Of everything random; each picture draws its own.")] = 0,
    handling: Annotated["FileOptions", options.FILES.without("together", suffix="degraded")],
    as_json: options.Json = False,
) -> None:
    from pellucid.cli.making import make_files
    from pellucid.cli.progress import FileProgress
    from pellucid.degrade import compose, degrade_photo
    from pellucid.files import process_files
    from pellucid.imaging import Photo

    if not chosen:
        raise ConfigError("nothing to do: name a degradation, for example --rain heavy")
    compose(chosen)  # a level that does not exist is found before any work

    def work(picture: "Picture", job: "Job", check_time: "CheckTime") -> "tuple[Picture, list[TileWatch]]":
        own = random.Random(f"{seed}/{job.source.name}").getrandbits(62)  # so it is the same in any folder

        def degraded(frame: "Frame") -> "Frame":
            check_time()
            return degrade_photo(Photo.of(frame), chosen, seed=own)

        return picture.mapped(degraded), []

    recipe = printing.to_json({"degrade": chosen, "seed": seed})
    make, bars = partial(process_files, work=work, recipe=recipe, options=handling), FileProgress()
    described = {"seed": seed, "degrade": chosen}
    make_files(inputs, output, make, bars, described=described, max_pixels=handling.max_pixels, as_json=as_json)
