"""ASTv2's own training: L1, AdamW from 3e-4 to 1e-6, patches that grow.

How the authors divide the iterations between patch sizes is not known to us, nor their batches for SOTS: we take equal
shares, and the batches of the SPAD recipe. Neither are their figures or hours. None of these has been run by us.
"""

from pathlib import Path

from pellucid.training.config import DataConfig, NetworkConfig, OptimizerConfig, Stage, TrainConfig

NETWORK = NetworkConfig(name="astv2-s")
OPTIMIZER = OptimizerConfig(lr=3e-4, min_lr=1e-6, weight_decay=1e-4)


def spad(train: Path, val: Path | None, out: Path) -> TrainConfig:
    """ASTv2 on SPAD: real rain streaks, 638,492 pairs.

    Command: ``torchrun --nproc-per-node 2 -m pellucid train astv2-spad --data SPAD/train --val SPAD/test``.
    Data: SPAD's list file (``real_world.txt``, a pair in each line), or ``input/`` and ``target/``.
    Hardware: 2 GPUs, 8 crops of 128² or 2 of 256² on each; 600,000 iterations.
    Expected: no figure is available to us. Not seen by us.
    """
    return _config("derain", train, val, out, patches=(128, 256), batches=(16, 4), iterations=600_000)


def gopro(train: Path, val: Path | None, out: Path) -> TrainConfig:
    """ASTv2 on GoPro: motion blur, 2,103 pairs.

    Command: ``torchrun --nproc-per-node 8 -m pellucid train astv2-gopro --data GoPro/train --val GoPro/test``.
    Data: scenes, each with ``blur/`` and ``sharp/``; or crops in ``input_crops/`` and ``target_crops/``.
    Hardware: 8 GPUs, 8, 2, 1 and 1 crops on each; 300,000 iterations.
    Expected: no figure is available to us. Not seen by us.
    """
    sizes = {"patches": (128, 256, 384, 512), "batches": (64, 16, 8, 8)}
    return _config("deblur", train, val, out, **sizes, iterations=300_000)


def sots(train: Path, val: Path | None, out: Path) -> TrainConfig:
    """ASTv2 on RESIDE, tested on SOTS: synthetic haze.

    Command: ``torchrun --nproc-per-node 2 -m pellucid train astv2-sots --data RESIDE/train --val SOTS/outdoor``.
    Data: ``hazy/0001_0.8_0.2.jpg`` (several for each scene) and ``gt/0001.png`` or ``clear/0001.png``.
    Hardware: 2 GPUs; 300,000 iterations.
    Expected: no figure is available to us. Not seen by us.
    """
    return _config("dehaze", train, val, out, patches=(128, 256, 384), batches=(16, 4, 2), iterations=300_000)


def _config(
    task: str,
    train: Path,
    val: Path | None,
    out: Path,
    *,
    patches: tuple[int, ...],
    batches: tuple[int, ...],
    iterations: int,
) -> TrainConfig:
    share = iterations // len(patches)
    return TrainConfig(
        task=task,
        network=NETWORK,
        data=DataConfig(train=train, val=val),
        out=out,
        stages=tuple(Stage(patch=p, batch=b, iterations=share) for p, b in zip(patches, batches, strict=True)),
        optimizer=OPTIMIZER,
        loss={"l1": 1.0},
        every=4000,
    )
