"""What a config means by its data."""

import logging
from pathlib import Path

import torch

from pellucid.data.curriculum import Curriculum
from pellucid.data.layouts import find_pairs
from pellucid.data.mixup import MixUp
from pellucid.data.pairs import PairedPhotos
from pellucid.data.photo_cache import PhotoCache, clean_photos
from pellucid.data.source import Source
from pellucid.data.synthetic import SyntheticPairs
from pellucid.degrade import compose
from pellucid.errors import ConfigError
from pellucid.training.config import TrainConfig

log = logging.getLogger(__name__)


def open_source(config: TrainConfig, device: torch.device) -> Source:
    """The training samples of a run: found, but not decoded yet.

    Raises:
        ConfigError: a folder that is missing, empty, of no known layout or with files that have no partner, or
            pictures smaller than a patch.
    """
    data = config.data
    where = device if data.cache_on_device else torch.device("cpu")
    if data.degrade is None:
        pairs = find_pairs(data.train, dual_pixel=data.dual_pixel)
        source = PairedPhotos(pairs, budget_bytes=data.cache_bytes, device=where, grey=data.grey, seed=config.seed)
    else:
        _warn_of_pairs(data.train)
        photos = PhotoCache(clean_photos(data.train), data.cache_bytes, where, data.grey, data.longest)
        source = _synthetic(config, photos, device)
    for patch in {stage.patch for stage in config.stages}:
        source.check_patch(patch)
    return MixUp(source, config.mixup, config.seed) if config.mixup else source


def _synthetic(config: TrainConfig, photos: PhotoCache, device: torch.device) -> Source:
    """Degraded photographs, by ``data.degrade`` or a stage's own."""
    data, parts, first = config.data, list[tuple[int, Source]](), 0
    for stage in config.stages:
        pairs = SyntheticPairs(
            photos,
            compose(data.degrade or {} if stage.degrade is None else stage.degrade),
            config.seed,
            device,
            desaturate=data.desaturate,
            retouch=data.retouch,
            shrink=data.shrink,
            decoys=compose(data.decoys),
        )
        parts.append((first, pairs))
        first += stage.batch * (stage.iterations or 0)
    is_alike = all(stage.degrade is None for stage in config.stages)
    return parts[0][1] if is_alike else Curriculum(parts)


def _warn_of_pairs(folder: Path) -> None:
    """Degraded pictures would be taken for clean ones."""
    try:
        count = len(find_pairs(folder))
    except ConfigError:
        return
    log.warning(
        "%s: holds %d pairs, but all its pictures are taken for clean ones and degraded; "
        "name the folder of the clean ones, or train on pairs with data.degrade=null",
        folder,
        count,
    )
