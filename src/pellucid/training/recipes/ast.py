"""AST's own training: the settings of the paper (§4.1 and its supplement) on the papers' pairs.

Each stage is a run of its own, with warm-up and cosine. None of these has been run by us: the expected scores are the
paper's. The hardware and hours of the authors are not known to us.
"""

from pathlib import Path

from pellucid.training.config import DataConfig, NetworkConfig, OptimizerConfig, Stage, TrainConfig

NETWORK = NetworkConfig(name="ast-b")  # stochastic depth 0.1 is its default
OPTIMIZER = OptimizerConfig(lr=2e-4, min_lr=1e-6, warmup_epochs=3, weight_decay=0.02)


def spad(train: Path, val: Path | None, out: Path) -> TrainConfig:
    """AST-B on SPAD: real rain streaks, 638,492 pairs.

    Command: ``pellucid train ast-spad --data SPAD/train --val SPAD/test``.
    Data: SPAD's list file (``real_world.txt``, a pair in each line), or ``input/`` and ``target/``.
    Expected: 49.51 dB PSNR and 0.9942 SSIM on Y, saved as PNG (paper). Not seen by us.
    """
    stages = (Stage(patch=128, batch=32, epochs=20, lr=2e-4), Stage(patch=256, batch=16, epochs=15, lr=1e-4))
    return _config("derain", train, val, out, stages)


def agan(train: Path, val: Path | None, out: Path) -> TrainConfig:
    """AST-B on AGAN-Data: raindrops on glass, 861 pairs.

    Command: ``pellucid train ast-agan --data AGAN/train --val AGAN/test_a``.
    Data: ``data/0_rain.png`` and ``gt/0_clean.png``.
    Expected: 32.32 dB PSNR and 0.935 SSIM on test_a, by 384-pixel tiles (paper). Not seen by us.
    """
    stages = (
        Stage(patch=128, batch=32, epochs=300, lr=2e-4),
        Stage(patch=256, batch=16, epochs=200, lr=1e-4),
        Stage(patch=384, batch=8, epochs=150, lr=8e-5),
    )
    return _config("raindrop", train, val, out, stages)


def dense_haze(train: Path, val: Path | None, out: Path) -> TrainConfig:
    """AST-B on Dense-Haze: real dense haze, 50 pairs for training and 5 for testing.

    Command: ``pellucid train ast-dense-haze --data Dense-Haze/train --val Dense-Haze/test``.
    Data: ``hazy/01_hazy.png`` and ``GT/01_GT.png``.
    Expected: 17.12 dB PSNR and 0.55 SSIM, by 1152-pixel tiles (paper). Not seen by us.
    """
    stages = (
        Stage(patch=256, batch=4, epochs=2000, lr=2e-4),
        Stage(patch=384, batch=4, epochs=1200, lr=1.2e-4),
        Stage(patch=512, batch=4, epochs=800, lr=8e-5),
        Stage(patch=768, batch=2, epochs=300, lr=3e-5),
        Stage(patch=896, batch=2, epochs=80, lr=1e-5),
    )
    return _config("dehaze", train, val, out, stages)


def _config(task: str, train: Path, val: Path | None, out: Path, stages: tuple[Stage, ...]) -> TrainConfig:
    return TrainConfig(
        task=task,
        network=NETWORK,
        data=DataConfig(train=train, val=val),
        out=out,
        stages=stages,
        optimizer=OPTIMIZER,
        loss={"charbonnier": 1.0},
    )
