"""Restormer's own training (§4): 300,000 iterations of progressive learning, the same for its six tasks.

L1, AdamW, gradients clipped at 0.01, 3e-4 for 92,000 iterations and then a cosine to 1e-6. The batches are those of
all GPUs together; the authors had 8. ``--preset small-gpu`` makes the same batches on one. None of these has been run
by us: the expected scores are the paper's.
"""

from pathlib import Path
from typing import Any

from pellucid.training.config import DataConfig, Degradations, NetworkConfig, OptimizerConfig, Stage, TrainConfig

STAGES = tuple(
    Stage(patch=patch, batch=batch, iterations=thousands * 1000)
    for patch, batch, thousands in (
        (128, 64, 92),
        (160, 40, 64),
        (192, 32, 48),
        (256, 16, 36),
        (320, 8, 36),
        (384, 8, 24),
    )
)
OPTIMIZER = OptimizerConfig(lr=3e-4, min_lr=1e-6, hold=92_000, weight_decay=1e-4, clip_norm=0.01)
MIXUP = 1.2  # for denoising
BLIND: Degradations = {"gaussian": {"low": 0.0, "high": 50.0}}
BLIND_VAL = {f"sigma{sigma}": {"gaussian": {"low": sigma, "high": sigma}} for sigma in (15, 25, 50)}


def deraining(train: Path, val: Path | None, out: Path) -> TrainConfig:
    """Restormer on Rain13K: rain streaks, 13,712 pairs.

    Command: ``torchrun --nproc-per-node 8 -m pellucid train restormer-deraining --data Rain13K/train --val
        Rain13K/test``.
    Data: ``input/1.jpg`` and ``target/1.jpg``.
    Expected, PSNR and SSIM on Y: Test100 32.00/.923, Rain100H 31.46/.904, Rain100L 38.99/.978, Test2800 34.18/.944,
    Test1200 33.19/.926 (paper). Not seen by us.
    """
    return _config("derain", DataConfig(train=train, val=val), out)


def motion_deblurring(train: Path, val: Path | None, out: Path) -> TrainConfig:
    """Restormer on GoPro: motion blur, 2,103 pairs.

    Command: ``torchrun --nproc-per-node 8 -m pellucid train restormer-motion-deblurring --data GoPro/train --val
        GoPro/test``.
    Data: scenes, each with ``blur/`` and ``sharp/``; or crops in ``input_crops/`` and ``target_crops/``.
    Expected, PSNR and SSIM: GoPro 32.92/.961, HIDE 31.22/.942, RealBlur-R 36.19/.957, RealBlur-J 28.96/.879 (paper).
    Not seen by us.
    """
    return _config("deblur", DataConfig(train=train, val=val), out)


def defocus_single(train: Path, val: Path | None, out: Path) -> TrainConfig:
    """Restormer on DPDD: defocus from one 16-bit picture, 350 scenes.

    Command: ``torchrun --nproc-per-node 8 -m pellucid train restormer-defocus-single --data DPDD/train --val
        DPDD/val``.
    Data: ``train_c/source`` and ``train_c/target``, 16-bit PNG; or crops in ``inputC_crops/`` and ``target_crops/``.
    Expected, PSNR and SSIM, indoor and outdoor together: 25.98/.811 (paper). Not seen by us.
    """
    return _config("defocus", DataConfig(train=train, val=val), out)


def defocus_dual(train: Path, val: Path | None, out: Path) -> TrainConfig:
    """Restormer on DPDD: defocus from the two views of a dual-pixel sensor, 350 scenes.

    Command: ``torchrun --nproc-per-node 8 -m pellucid train restormer-defocus-dual --data DPDD/train --val DPDD/val``.
    Data: ``train_l/source``, ``train_r/source`` and ``train_c/target``, 16-bit PNG; or crops in ``inputL_crops/``,
    ``inputR_crops/`` and ``target_crops/``.
    Expected, PSNR and SSIM, indoor and outdoor together: 26.66/.833 (paper). Not seen by us.
    """
    data = DataConfig(train=train, val=val, dual_pixel=True)
    return _config("defocus", data, out, network={"in_channels": 6, "dual_pixel": True})


def real_denoising(train: Path, val: Path | None, out: Path) -> TrainConfig:
    """Restormer on SIDD: noise of real phone cameras, 320 pairs.

    Command: ``torchrun --nproc-per-node 8 -m pellucid train restormer-real-denoising --data SIDD/train --val
        SIDD/val``.
    Data: scenes, each with ``..._NOISY_SRGB_010.PNG`` and ``..._GT_SRGB_010.PNG``; or crops in ``input_crops/`` and
        ``target_crops/``.
    Expected, PSNR and SSIM: SIDD 40.02/.960 (paper). Not seen by us.
    """
    return _config("denoise-real", DataConfig(train=train, val=val), out, network={"bias_free_norm": True}, mixup=MIXUP)


def grey_denoising(train: Path, val: Path | None, out: Path) -> TrainConfig:
    """Restormer on clean photographs: blind Gaussian noise, σ uniform in [0, 50], grey.

    Command: ``torchrun --nproc-per-node 8 -m pellucid train restormer-grey-denoising --data DFWB --val BSD68``.
    Data: any folder of clean photographs; the authors took DIV2K, Flickr2K, WED and BSD's training set.
    Expected, PSNR at σ = 15/25/50: Set12 33.35/31.04/28.01, BSD68 31.95/29.51/26.62 (paper). Not seen by us.
    """
    data = DataConfig(train=train, val=val, degrade=BLIND, val_degrade=BLIND_VAL, grey=True)
    network = {"in_channels": 1, "out_channels": 1, "bias_free_norm": True}
    return _config("denoise", data, out, network=network, mixup=MIXUP)


def colour_denoising(train: Path, val: Path | None, out: Path) -> TrainConfig:
    """Restormer on clean photographs: blind Gaussian noise, σ uniform in [0, 50], colour.

    Command: ``torchrun --nproc-per-node 8 -m pellucid train restormer-colour-denoising --data DFWB --val CBSD68``.
    Data: any folder of clean photographs; the authors took DIV2K, Flickr2K, WED and BSD's training set.
    Expected, PSNR at σ = 15/25/50: CBSD68 34.39/31.78/28.59, Kodak 35.44/33.02/30.00, McMaster 35.55/33.31/30.29,
    Urban100 35.06/32.91/30.02 (paper). Not seen by us.
    """
    data = DataConfig(train=train, val=val, degrade=BLIND, val_degrade=BLIND_VAL)
    return _config("denoise", data, out, network={"bias_free_norm": True}, mixup=MIXUP)


def _config(
    task: str, data: DataConfig, out: Path, *, network: dict[str, Any] | None = None, mixup: float | None = None
) -> TrainConfig:
    return TrainConfig(
        task=task,
        network=NetworkConfig(name="restormer", overrides=network or {}),
        data=data,
        out=out,
        stages=STAGES,
        optimizer=OPTIMIZER,
        loss={"l1": 1.0},
        mixup=mixup,
        every=4000,
    )
