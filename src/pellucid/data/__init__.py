"""What training sees: pairs found on disk or made of clean photographs, cropped, turned and prepared ahead."""

from pellucid.data.curriculum import Curriculum
from pellucid.data.layouts import Pair, find_pairs
from pellucid.data.mixup import MixUp
from pellucid.data.pairs import PairedPhotos
from pellucid.data.photo_cache import PhotoCache, clean_photos
from pellucid.data.prefetch import Prefetcher
from pellucid.data.source import Source
from pellucid.data.synthetic import SyntheticPairs

__all__ = [
    "Curriculum",
    "MixUp",
    "Pair",
    "PairedPhotos",
    "PhotoCache",
    "Prefetcher",
    "Source",
    "SyntheticPairs",
    "clean_photos",
    "find_pairs",
]
