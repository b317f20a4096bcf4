"""All degradations, a row each, in the order in which they happen to a photo: weather, lens, sensor, file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pellucid.degrade.base import Degradation
from pellucid.degrade.blur import DefocusBlur, MotionBlur
from pellucid.degrade.camera import CameraNoise, CoredNoise, NightNoise, PlainNoise
from pellucid.degrade.compression import Jpeg, JpegTwice, WebP
from pellucid.degrade.defocus import Polygon, Ring, SoftFocus
from pellucid.degrade.dusk import Dusk
from pellucid.degrade.glow import Glow
from pellucid.degrade.grass import Grass
from pellucid.degrade.haze import Corridor, DepthHaze, Haze, Planes, Plumes, Veil
from pellucid.degrade.layers import Depth, Moving
from pellucid.degrade.motion import Jerk, Straight, ZoomRotate
from pellucid.degrade.noise import GaussianNoise
from pellucid.degrade.rain import RainGrains, RainLines, RainPerspective, RainStreaks, RainWater
from pellucid.degrade.raindrop import Beads, Blobs, Painted, Pane, Raindrops, Runs
from pellucid.degrade.stretch import Stretch

ANY = "any"  # of the levels all strengths that training wants, of the families all that are trained on


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What is known of one degradation.

    Attributes:
        title: in words.
        renderer: with all the strengths to train on.
        levels: presets of that renderer, the weakest first.
        families: other renderers of the same thing, unlike that one.
        unseen: the family that no network is trained on: it tells in validation what was learnt.
        option: what the command's option for it takes: a key of ``levels`` or "any", σ on the scale of 0-255, or a
            quality of 1-100. None, and no option: a decoy, no degradation but what networks are to leave alone.
    """

    title: str
    renderer: Degradation
    levels: Mapping[str, Degradation] = field(default_factory=dict[str, Degradation])
    families: Mapping[str, Degradation] = field(default_factory=dict[str, Degradation])
    unseen: str | None = None
    option: Literal["level", "sigma", "quality"] | None = "level"

    def meant_by(self, value: Any) -> dict[str, Any]:
        """What a value of the option means to ``create_degradation``."""
        if self.option == "level":
            return {} if value == ANY else {"level": value}
        return {"low": value, "high": value} if self.option == "sigma" else {"quality": (value, value)}


DEGRADATIONS: dict[str, Kind] = {
    "stretch": Kind(title="Texture pulled into lines", renderer=Stretch(), option=None),
    "grass": Kind(title="Blades and hair", renderer=Grass(), option=None),
    "dusk": Kind(title="Skies at dusk", renderer=Dusk(), option=None),
    "glow": Kind(title="Lamps that glow", renderer=Glow(), option=None),
    "haze": Kind(
        title="Haze",
        renderer=Haze(),
        levels={
            "light": Haze(
                optical_depth=(0.2, 0.6), nearest=(0.0, 0.3), patchiness=(0.0, 0.3), brightness=(0.75, 1.0), room=0.0
            ),
            "medium": Haze(
                optical_depth=(0.6, 1.2), nearest=(0.0, 0.4), patchiness=(0.0, 0.4), brightness=(0.65, 1.0), room=0.0
            ),
            "dense": Haze(
                optical_depth=(1.2, 2.6), nearest=(0.1, 0.5), patchiness=(0.0, 0.8), brightness=(0.55, 0.95), room=0.0
            ),
            "smoke": Haze(optical_depth=(0.8, 2.8), patchiness=(0.0, 0.8), room=1.0),
        },
        families={"depth": DepthHaze(), "plumes": Plumes(), "veil": Veil(), "planes": Planes(), "corridor": Corridor()},
        unseen="corridor",
    ),
    "rain": Kind(
        title="Rain streaks",
        renderer=RainStreaks(),
        levels={
            "drizzle": RainStreaks(
                layers=(1, 2),
                density=(1500.0, 3000.0),
                length=(12.0, 24.0),
                width=(1.2, 1.8),
                brightness=(0.3, 0.55),
                mist=(0.0, 0.01),
            ),
            "medium": RainStreaks(
                layers=(2, 3),
                density=(3000.0, 6000.0),
                length=(24.0, 48.0),
                width=(1.4, 2.2),
                brightness=(0.4, 0.65),
                mist=(0.005, 0.02),
            ),
            "heavy": RainStreaks(
                layers=(3, 4),
                density=(6000.0, 11000.0),
                length=(36.0, 72.0),
                width=(1.6, 2.8),
                brightness=(0.6, 0.9),
                mist=(0.01, 0.03),
            ),
        },
        families={"lines": RainLines(), "grains": RainGrains(), "water": RainWater(), "perspective": RainPerspective()},
        unseen="perspective",
    ),
    "raindrop": Kind(
        title="Drops on glass",
        renderer=Raindrops(),
        levels={
            "few": Raindrops(coverage=(0.05, 0.12), radius=(8.0, 18.0), defocus=(0.7, 4.0), mist=(0.0, 0.05)),
            "many": Raindrops(coverage=(0.3, 0.5), radius=(4.0, 9.0), defocus=(0.7, 2.5)),
            "defocused": Raindrops(coverage=(0.2, 0.4), radius=(10.0, 20.0), defocus=(5.0, 10.0)),
        },
        families={"beads": Beads(), "blobs": Blobs(), "runs": Runs(), "pane": Pane(), "painted": Painted()},
        unseen="painted",
    ),
    "defocus": Kind(
        title="Pictures out of focus",
        renderer=DefocusBlur(),
        levels={
            "slight": DefocusBlur(radius=(0.5, 1.5)),
            "medium": DefocusBlur(radius=(1.5, 4.0)),
            "strong": DefocusBlur(radius=(4.0, 10.0)),
        },
        families={"polygon": Polygon(), "depth": Depth(), "gaussian": SoftFocus(), "ring": Ring()},
        unseen="ring",
    ),
    "motion": Kind(
        title="Camera shake",
        renderer=MotionBlur(),
        levels={
            "slight": MotionBlur(length=(2.0, 6.0)),
            "medium": MotionBlur(length=(6.0, 15.0)),
            "strong": MotionBlur(length=(15.0, 40.0)),
        },
        families={"straight": Straight(), "jerk": Jerk(), "zoom-rotate": ZoomRotate(), "moving": Moving()},
        unseen="moving",
    ),
    "camera": Kind(
        title="Noise of a camera",
        renderer=CameraNoise(),
        levels={
            "light": CameraNoise(shot=(1e-4, 6e-4)),
            "medium": CameraNoise(shot=(6e-4, 3e-3)),
            "heavy": CameraNoise(shot=(3e-3, 1.2e-2)),
        },
        families={"plain": PlainNoise(), "night": NightNoise(), "coring": CoredNoise()},
        unseen="coring",
    ),
    "gaussian": Kind(title="Gaussian noise", renderer=GaussianNoise(), option="sigma"),
    "jpeg": Kind(title="JPEG compression", renderer=Jpeg(), families={"twice": JpegTwice()}, option="quality"),
    "webp": Kind(title="WebP compression", renderer=WebP(), option="quality"),
}
