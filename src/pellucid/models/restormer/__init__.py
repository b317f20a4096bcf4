"""Restormer (Zamir et al., CVPR 2022)."""

from pellucid.models.restormer.model import Restormer, RestormerConfig

__all__ = ["Restormer", "RestormerConfig"]
