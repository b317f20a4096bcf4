"""Ours, on clean photographs alone: a small AST, and a degradation made on the fly for each task.

Any folder of clean photographs will do; the sharper and less compressed, the better. All but ``denoise`` start from the
weights of another task that come with pellucid: what a photograph looks like need not be learnt again.

A network's error is counted in decibels of each picture (the loss ``psnr``), so that slight degradations matter as
much as heavy ones. Some samples are left as they are, so that the networks learn to leave clean photographs alone.
Where these are hard to tell from others, as in haze, decibels would reward a network that never does anything:
``charbonnier``, with a few decibels. Where clean photographs are hard to tell from others, telling them is learnt too
(``detection``), beside what only looks like a degradation (``decoys``).

Scores are PSNR in dB on the middles of our 46 validation photos; hours are those of one thread on a core with
AVX-512 and AMX, in bf16. The model cards have the tests.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pellucid.degrade import DEGRADATIONS
from pellucid.training.config import DataConfig, Degradations, NetworkConfig, OptimizerConfig, Stage, TrainConfig
from pellucid.zoo.tasks import MIXED, ONE_PERCENT

NETWORK = {
    "embed_dim": 16,
    "depths": (1, 1, 1, 1, 1, 1, 1, 1, 2),
    "num_heads": (8, 8, 4, 2, 1),
    "ffn_ratio": 1.0,
    "drop_path": 0.0,  # a run this short never overfits
}
DENOISE, DERAIN = "ast-s-denoise", "ast-s-derain"  # bundled weights to start from
DECIBELS = {"psnr": 1.0}
NO_RAIN: dict[str, Any] = {  # streaks in all directions, of the colours of the scene: stars that turn, scratches, fur
    "layers": (2, 4),
    "density": (8000.0, 50000.0),
    "angle_spread": (8.0, 35.0),
    "length": (15.0, 90.0),
    "width": (1.2, 4.5),
    "brightness": (0.15, 0.9),
    "screen": (0.5, 1.0),
    "tint": (0.9, 1.0),
    "gusts": (0.2, 1.0),
    "mist": (0.0, 0.0),
}
MIDDLE = 128  # validation sees the middle of each photo
MANY_KERNELS = (Stage(patch=64, batch=16, iterations=4000), Stage(patch=128, batch=4, iterations=1500))


def shared(train: Path, val: Path | None, out: Path) -> TrainConfig:
    """Everything at once: what every task's network starts from, and the bundled ``ast-m-any``.

    Each thing happens to an image by itself, so that a sample has one or two of them and one in eight has none. All but
    Gaussian noise come from unlike renderers; validation has families that training does not.

    Command: ``pellucid train shared --data PHOTOS --val OTHER_PHOTOS``.
    Expected: to be measured. Not seen by us.
    """
    everything = [name for name, kind in DEGRADATIONS.items() if kind.unseen]
    often = {"haze": 0.18, "rain": 0.22, "raindrop": 0.2, "defocus": 0.12, "motion": 0.12, "camera": 0.25}
    degrade: Degradations = {name: {"family": "any", "probability": often[name]} for name in everything}
    degrade |= {"gaussian": {"low": 0, "high": 50, "grey": 0.25, "probability": 0.2}}
    degrade |= {"jpeg": {"family": "any", "probability": 0.5}}
    unseen: dict[str, Degradations] = {name: {name: {"family": DEGRADATIONS[name].unseen}} for name in everything}
    single: dict[str, Degradations] = {
        "sigma25": {"gaussian": {"low": 25, "high": 25}},
        "rain-any": {"rain": {"family": "any"}},
        "clean": {"jpeg": {"probability": 0}},
    }
    data = _clean(train, val, degrade, single | unseen | MIXED, desaturate=0.1, retouch=0.3, shrink=4)
    return TrainConfig(
        task="any",
        network=NetworkConfig(name="ast-m"),
        data=data,
        out=out,
        stages=(
            # from noise alone it learns in minutes what a photograph is; without, it stands still for long
            Stage(patch=128, batch=4, iterations=500, degrade={"gaussian": {"low": 15, "high": 50}}),
            Stage(patch=128, batch=8, iterations=40000),
        ),
        # at 1e-3 gradients leapt in the first steps
        optimizer=OptimizerConfig(
            lr=6e-4, min_lr=1e-6, warmup=300, hold=30000, weight_decay=0.02, betas=(0.9, 0.99), clip_norm=0.5
        ),
        # an absolute error learns from every image alike; a few decibels make it exact where little is wrong
        loss={"charbonnier": 1.0, "psnr": 0.005},
        every=1000,
    )


def denoise(train: Path, val: Path | None, out: Path) -> TrainConfig:
    """Blind Gaussian denoising, σ uniform in [0, 50], of colour and of grey photos: the bundled ``ast-s-denoise``.

    Command: ``pellucid train denoise --data PHOTOS --val OTHER_PHOTOS``.
    Score: 36.03, 33.60 and 30.18 at σ = 15, 25 and 50, 32.48 at a grey 25, after three runs, each from the weights
        of the one before: 2,000, 7,100 and 5,200 steps, 2.6 hours, seen by us. In one go: not seen by us.
    """
    colour = {f"sigma{sigma}": {"gaussian": {"low": sigma, "high": sigma}} for sigma in (15, 25, 50)}
    grey: dict[str, Degradations] = {"grey25": {"gaussian": {"low": 25, "high": 25, "grey": 1}}}
    degrade: Degradations = {"gaussian": {"low": 0, "high": 50, "grey": 0.25}}
    data = _clean(train, val, degrade, colour | grey, desaturate=0.15)
    return _config("denoise", data, out, stages=_growing(8200, 800))


def denoise_real(train: Path, val: Path | None, out: Path) -> TrainConfig:
    """Noise as cameras make it: photons and electronics, through a raw pipeline and JPEG.

    Command: ``pellucid train denoise-real --data PHOTOS --val OTHER_PHOTOS``.
    Score: 40.30, 36.43 and 31.65 on light, medium and heavy noise (input 38.47, 31.93 and 25.28), 0.3 hours.
        Seen by us.
    """
    degrade: Degradations = {"camera": {"probability": 0.93}}
    data = _clean(train, val, degrade, _levels("camera"))
    return _config("denoise-real", data, out, start=DENOISE, stages=_growing(1600), lr=5e-4)


def derain(train: Path, val: Path | None, out: Path) -> TrainConfig:
    """Rain streaks, from drizzle to heavy.

    Command: ``pellucid train derain --data PHOTOS --val OTHER_PHOTOS``.
    Score: 42.81, 35.48 and 26.61 on drizzle, medium and heavy rain (input 39.13, 28.97 and 20.39), clean photos 86.9 dB
        from what they were: 5,000 steps of 2 crops of 192², 1.0 hours, from weights of 37,500 steps of other runs, the
        hardest photos more often (``tools/hard_photos.py``). The bundled weights are the mean of these and of
        those before: 43.07, 36.27 and 27.45. Seen by us.
    """
    degrade: Degradations = {"rain": {"probability": 0.42}}
    decoys: Degradations = {
        "stretch": {"probability": 0.4, "factor": (1.2, 5.0)},
        "grass": {"probability": 0.2},
        "rain": {**NO_RAIN, "probability": 0.2, "density": (3000.0, 20000.0), "tint": (0.85, 1.0)},
    }
    levels = _levels("rain")
    data = _clean(train, val, degrade, levels, retouch=0.3, decoys=decoys)
    return _config("derain", data, out, start=DENOISE, stages=_growing(9000, 500), lr=5e-4, detection=1.0)


def raindrop(train: Path, val: Path | None, out: Path) -> TrainConfig:
    """Drops on the glass in front of the lens.

    Command: ``pellucid train raindrop --data PHOTOS --val OTHER_PHOTOS``.
    Score: 31.50, 25.40, 25.51 and 24.10 on few, many, defocused and large drops (input 25.92, 20.00, 20.96 and
        19.69), 6,000 steps from weights of 20,400 of other runs, 0.9 hours. Seen by us.
    """
    small = {"scale": 0.75}  # lengths are those of pictures about 500 pixels wide
    degrade: Degradations = {"raindrop": {"probability": 0.7, "radius": (4.0, 36.0), "defocus": (0.5, 12.0), **small}}
    large: Degradations = {
        "raindrop": {"coverage": (0.2, 0.4), "radius": (20.0, 36.0), "defocus": (4.0, 12.0), **small}
    }
    levels = _levels("raindrop", **small) | {"large": large}
    decoys: Degradations = {  # tufts, and what is out of focus
        "grass": {"probability": 0.15, "length": (2.0, 20.0)},
        "defocus": {"probability": 0.15},
    }
    data = _clean(train, val, degrade, levels, val_crop=256, longest=384, retouch=0.3, decoys=decoys)
    stages = (Stage(patch=160, batch=3, iterations=10500),)
    return _config("raindrop", data, out, start=DERAIN, stages=stages, detection=0.5)


def dehaze(train: Path, val: Path | None, out: Path) -> TrainConfig:
    """Haze by Koschmieder's law, from light to dense, on pictures shrunk until a crop shows half of the scene.

    Photos more than 1.8 times as wide as high, or as high as wide, do not fit its crops and have to be left out.

    Command: ``pellucid train dehaze --data PHOTOS --val OTHER_PHOTOS``.
    Score: 25.29, 23.26, 20.02 and 21.18 on light, medium and dense haze and smoke (input 19.96, 14.86, 11.46, 14.59),
        clean photos 61.7 dB from what they were, on whole photos of 144 pixels after 8,800 steps as here, 1.1 hours,
        from weights of 62,000 steps of other runs. Three quarters of the bundled weights are these, one quarter those
        before. Seen by us.
    """
    degrade: Degradations = {"haze": {"probability": 0.68, "optical_depth": (0.2, 2.8), "patchiness": (0.0, 0.8)}}
    streaks = {"length": (5.0, 50.0), "width": (0.6, 2.5)}  # of pictures so small
    decoys: Degradations = {
        "dusk": {"probability": 0.12},
        "glow": {"probability": 0.12},
        "rain": {**NO_RAIN, "probability": 0.06, **streaks},
    }
    levels = _levels("haze")
    data = _clean(train, val, degrade, levels, val_crop=None, longest=144, retouch=0.4, decoys=decoys)
    stages = (Stage(patch=80, batch=9, iterations=12000),)
    # decibels alone would reward a network that never does anything; a few make it surer where nothing is to be done
    loss = {"charbonnier": 1.0, "psnr": 0.005}
    return _config("dehaze", data, out, start=DENOISE, stages=stages, lr=6e-4, loss=loss, detection=0.1)


def deblur(train: Path, val: Path | None, out: Path) -> TrainConfig:
    """Slight camera shake, up to 10 pixels, with a little noise.

    Command: ``pellucid train deblur --data PHOTOS --val OTHER_PHOTOS``.
    Score: 32.28, 25.69 and 21.99 on slight, medium and strong shake (input 29.96, 24.99 and 21.71), clean photos
        56.0 dB from what they were: 1,800 steps from weights that had 32.51, 25.78 and 22.00 and did more harm to
        clean ones, 1.3 hours. The bundled weights are the mean of both runs'. Seen by us.
    """
    return _config(
        "deblur", _blurred(train, val, "motion", length=(2.0, 10.0)), out, start=DENOISE, stages=MANY_KERNELS
    )


def defocus(train: Path, val: Path | None, out: Path) -> TrainConfig:
    """Pictures out of focus, with a little noise.

    Command: ``pellucid train defocus --data PHOTOS --val OTHER_PHOTOS``.
    Expected: to be measured. Not seen by us.
    """
    return _config("defocus", _blurred(train, val, "defocus"), out, start=DENOISE, stages=MANY_KERNELS)


def _blurred(train: Path, val: Path | None, kind: str, **strengths: tuple[float, float]) -> DataConfig:
    noise = {"low": 0, "high": 5, "probability": 0.5}
    degrade: Degradations = {kind: {"probability": 0.8, **strengths}, "gaussian": noise}
    val_degrade = {
        name: {**options, **(ONE_PERCENT if name != "clean" else {})} for name, options in _levels(kind).items()
    }
    return _clean(train, val, degrade, val_degrade)


def _levels(name: str, **options: float) -> dict[str, Degradations]:
    """To validate on: all presets, and photographs that nothing is wrong with."""
    presets = {level: {name: {"level": level, **options}} for level in DEGRADATIONS[name].levels}
    return presets | {"clean": {name: {"probability": 0}}}


def _clean(
    train: Path, val: Path | None, degrade: Degradations, val_degrade: dict[str, Degradations], **others: Any
) -> DataConfig:
    """Clean photographs, validated on the middle of each unless it is said otherwise."""
    others = {"val_crop": MIDDLE, **others}
    return DataConfig(train=train, val=val, degrade=degrade, val_degrade=val_degrade, **others)


def _growing(small: int, large: int = 0) -> tuple[Stage, ...]:
    """So many steps on crops of 128², then on larger ones."""
    first = Stage(patch=128, batch=4, iterations=small)
    return (first, Stage(patch=192, batch=2, iterations=large)) if large else (first,)


def _config(
    task: str,
    data: DataConfig,
    out: Path,
    *,
    stages: tuple[Stage, ...],
    start: str | None = None,
    lr: float = 7e-4,
    loss: Mapping[str, float] = DECIBELS,
    detection: float = 0.0,
) -> TrainConfig:
    return TrainConfig(
        task=task,
        network=NetworkConfig(name="ast-t", overrides=NETWORK, init=Path(start) if start else None),
        data=data,
        out=out,
        stages=stages,
        optimizer=OptimizerConfig(lr=lr, min_lr=1e-6, warmup=100, weight_decay=0.02, clip_norm=5.0),
        loss=dict(loss),
        detection=detection,
        every=500,
    )
