"""How large a picture may be, which is decided by its header before anything is decoded."""

from pellucid.errors import ImageError

MAX_PIXELS = 1_000_000_000
"""Larger pictures are refused from their header: a file of a few bytes can claim any size."""


def refuse_huge(width: int, height: int, max_pixels: int) -> None:
    """Refuse a picture, frame or page of more pixels than allowed.

    Raises:
        ImageError: It is larger; the message names the limit and how to raise it.
    """
    if width * height > max_pixels:
        raise too_large(max_pixels, f"claims to be {width}×{height}, ")


def too_large(max_pixels: int, found: str = "is ") -> ImageError:
    """Return the refusal, for where a decoder knows the limit but keeps the size to itself."""
    limit = f"{max_pixels / 1e6:g} megapixels"
    return ImageError(f"{found}above the limit of {limit}; `max_pixels` raises it for files that you trust")
