"""What can be wrong with a photo: one row a task, which all that lists tasks reads."""

from dataclasses import dataclass, field
from typing import Any

Degradations = dict[str, dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is to be taken off a photo.

    Attributes:
        title: in words.
        weights: of ``CATALOG``, those that are taken where only the task is named; None: there are none yet.
        recipe: of ``pellucid train``, which makes such weights; None: that of the task's name.
        degrade: what stands for it on clean pictures: options for ``pellucid.degrade.compose``, its own degradation
            first. The benchmarks ``made-NAME`` and ``unseen-NAME`` of that degradation follow from it.
        protocol: of PSNR and SSIM, by which the literature scores it.
        known_by: parts of the names that other people's option files give it, in small letters.
    """

    title: str
    weights: str | None = None
    recipe: str | None = None
    degrade: Degradations = field(default_factory=dict[str, dict[str, Any]])
    protocol: str = "rgb"
    known_by: tuple[str, ...] = ()


ONE_PERCENT = {"gaussian": {"low": 2.55, "high": 2.55}}  # of noise, without which blur can be undone exactly
TASKS: dict[str, Task] = {
    "denoise": Task(  # it has benchmarks of its own kind
        title="Gaussian noise of any strength, colour or grey", weights="ast-s-denoise", known_by=("denois",)
    ),
    "denoise-real": Task(
        title="noise of real cameras",
        weights="ast-s-denoise-real",
        degrade={"camera": {}},
        known_by=("realdenois", "real_denois", "sidd"),
    ),
    "derain": Task(
        title="rain streaks", weights="ast-s-derain", degrade={"rain": {}}, protocol="matlab-y", known_by=("derain",)
    ),
    "raindrop": Task(
        title="drops on the lens", weights="ast-s-raindrop", degrade={"raindrop": {}}, known_by=("raindrop",)
    ),
    "dehaze": Task(
        title="haze and fog",
        weights="ast-s-dehaze",
        degrade={"haze": {"window": (1.0, 1.0)}},  # pictures are whole, no crops
        known_by=("dehaz",),
    ),
    "deblur": Task(
        title="motion blur", weights="ast-s-deblur", degrade={"motion": {}, **ONE_PERCENT}, known_by=("deblur",)
    ),
    "defocus": Task(title="out-of-focus blur", degrade={"defocus": {}, **ONE_PERCENT}, known_by=("defocus",)),
    "any": Task(title="several of these at once", recipe="shared"),
}
DEFAULT = "denoise"  # where neither a task nor a model is named
MIXED: dict[str, Degradations] = {  # two at once, on which ``any`` is judged
    "rain-haze": {"haze": {"level": "light"}, "rain": {"level": "medium"}},
    "rain-raindrop": {"rain": {"level": "drizzle"}, "raindrop": {"level": "few"}},
    "haze-camera": {"haze": {"level": "medium"}, "camera": {"level": "light"}},
}


def task_named(name: str) -> str | None:
    """The task that the name of someone's option file speaks of: that of the longest word in it; None: of none."""
    words = {word: task for task, row in TASKS.items() for word in row.known_by if word in name.lower()}
    return words[max(words, key=len)] if words else None
