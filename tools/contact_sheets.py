"""The pictures of docs/degradations.md: a contact sheet for each degradation.

    python -m tools.contact_sheets --out docs/degradations

Rows are photographs that come with scikit-image (NASA's and CC0); columns are the clean photograph, each level, and two
draws of the default that networks train on; or the families of renderers. A whole photograph is degraded, then a tile
is cut from it at 100 %. The seed is 0 and the draws are the first ones: none was chosen. Each sheet has the best JPEG
quality that fits its size.
"""

import argparse
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pellucid.degrade import DEGRADATIONS, Degradation, create_degradation

Pixels = NDArray[np.uint8]

WIDTH, HEIGHT, GAP, CAPTION = 320, 240, 4, 20
CORNERS = {"astronaut": (100, 10), "chelsea": (80, 20), "coffee": (140, 60), "rocket": (200, 180)}  # x, y of the tile
USUAL = ("rocket", "astronaut"), 160  # photographs of a sheet, and thousands of bytes
OTHERS = {  # noise and blocks of other files need more of these
    "haze": (("rocket", "astronaut"), 125),
    "raindrop": (("rocket", "astronaut"), 135),
    "defocus": (("rocket", "astronaut"), 100),
    "motion": (("rocket", "astronaut"), 100),
    "camera": (("coffee", "chelsea"), 220),
    "gaussian": (("chelsea",), 180),
    "compression": (("chelsea",), 180),
}

Column = tuple[str, Degradation]


def sheets() -> dict[str, list[Column]]:
    """Name of each sheet → its captions and degradations, after the clean photograph."""
    found: dict[str, list[Column]] = {}
    for name, kind in DEGRADATIONS.items():
        default = ("default", kind.renderer)
        if kind.option == "level":
            found[name] = [*kind.levels.items(), default, default]
        elif kind.option == "sigma":
            found[name] = [(f"sigma {sigma}", fixed(name, sigma)) for sigma in (15, 25, 50)] + [default, default]
    files = [name for name, kind in DEGRADATIONS.items() if kind.option == "quality"]
    found["compression"] = [(f"{name} {quality}", fixed(name, quality)) for name in files for quality in (50, 20)]
    found["compression"] += [(f"{name}, default", DEGRADATIONS[name].renderer) for name in files]
    found["rain_families"] = [*DEGRADATIONS["rain"].families.items(), ("any", create_degradation("rain", family="any"))]
    return found


def fixed(name: str, value: int) -> Degradation:
    return create_degradation(name, **DEGRADATIONS[name].meant_by(value))


def degraded(photo: Pixels, degradation: Degradation, rng: torch.Generator) -> Pixels:
    image = torch.from_numpy(photo.astype(np.float32) / 255).permute(2, 0, 1)[None]
    result = degradation.apply(image, [degradation.sample(rng)])[0].permute(1, 2, 0)
    return (result.clamp(0, 1) * 255).round().byte().numpy()


def contact_sheet(columns: list[Column], photos: tuple[str, ...]) -> Image.Image:
    rng = torch.Generator().manual_seed(0)
    captions, degradations = zip(*columns, strict=True)
    size = ((WIDTH + GAP) * (1 + len(captions)) - GAP, CAPTION + (HEIGHT + GAP) * len(photos) - GAP)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for column, caption in enumerate(("clean", *captions)):
        draw.text((column * (WIDTH + GAP) + 4, 2), caption, "black", ImageFont.load_default(13))
    for row, photo in enumerate(photos):
        clean = getattr(skimage.data, photo)()
        x, y = CORNERS[photo]
        for column, whole in enumerate((clean, *(degraded(clean, each, rng) for each in degradations))):
            tile = Image.fromarray(whole[y : y + HEIGHT, x : x + WIDTH])
            sheet.paste(tile, (column * (WIDTH + GAP), CAPTION + row * (HEIGHT + GAP)))
    return sheet


def encoded(sheet: Image.Image, most: int) -> bytes:
    """The best JPEG of at most so many bytes."""
    options: dict[str, Any] = {"subsampling": 0, "optimize": True, "progressive": True}
    for quality in range(90, 30, -2):
        file = BytesIO()
        sheet.save(file, "JPEG", quality=quality, **options)
        if file.tell() <= most:
            return file.getvalue()
    raise SystemExit(f"a sheet needs more than {most} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/degradations"))
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for name, columns in sheets().items():
        photos, kilobytes = OTHERS.get(name, USUAL)
        file = encoded(contact_sheet(columns, photos), kilobytes * 1000)
        (out / f"{name}.jpg").write_bytes(file)
        print(f"{out / name}.jpg {len(file) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
