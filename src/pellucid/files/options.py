"""How files are named, read and written."""

from dataclasses import dataclass, field
from math import isfinite
from typing import Literal, get_args

from pellucid.errors import ConfigError, did_you_mean
from pellucid.imaging import MAX_PIXELS, Saving
from pellucid.imaging.formats import FORMATS

Existing = Literal["refuse", "overwrite", "skip", "resume"]


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """How files are named, read and written.

    Attributes:
        suffix: added to names where no output is named.
        format: of results, such as "png"; None is as the input.
        existing: what to do about a result that is there: "refuse" to touch it, which fails the file; "overwrite";
            "skip" the file; or "resume", which skips it if the result is whole and fits, and makes it again if not.
        max_pixels: larger pictures are refused before they are decoded.
        timeout: seconds for each file; 0 is no limit.
        saving: quality, compression, and what lies below transparency where a format has none.
        white: the sample that means white, such as 1023 for 10 bits in 16; None is what the file says, or the top of
            its depth, or 1 of floats.
        no_data: the sample that means that nothing is known there; None is what the file says.
        together: whether there is anything to mend is decided once for all files, as for the frames of a film.
        keep_date: results have the date of their input.

    Raises:
        ConfigError: there is no such way, or a limit that nothing could keep.
    """

    suffix: str = "restored"
    format: str | None = None
    existing: Existing = "refuse"
    max_pixels: int = MAX_PIXELS
    timeout: float = 0.0
    saving: Saving = field(default_factory=Saving)
    white: float | None = None
    no_data: float | None = None
    keep_date: bool = True
    together: bool = False

    def __post_init__(self) -> None:
        if self.existing not in get_args(Existing):
            raise ConfigError(
                f"`existing` cannot be '{self.existing}'.{did_you_mean(self.existing, get_args(Existing))}"
            )
        if self.max_pixels < 1:
            raise ConfigError(f"`max_pixels` must allow for a pixel, not {self.max_pixels}")
        if not 0 <= self.timeout < float("inf"):
            raise ConfigError(f"`timeout` takes seconds, or 0 for no limit, not {self.timeout}")
        if self.white is not None and not (isfinite(self.white) and self.white > 0):
            raise ConfigError(f"`white` takes a sample above 0, not {self.white:g}")
        quality, compression = self.saving.quality, self.saving.compression
        if quality is not None and not 1 <= quality <= 100:
            raise ConfigError(f"`quality` takes 1 to 100, not {quality}")
        known = dict.fromkeys(name for format in FORMATS for name in format.compressions)
        if compression is not None and compression not in known:
            raise ConfigError(f"there is no compression '{compression}'.{did_you_mean(compression, known)}")
