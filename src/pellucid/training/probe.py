"""Training a network to tell degraded samples from clean ones, as well as to restore them."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.errors import ConfigError
from pellucid.models.detector import pool, pooled_feature_count
from pellucid.training.losses import PSNR_EPS


class Probed(nn.Module):
    """A network, and a linear probe of the features that ``models.detector`` weighs.

    The probe only makes these features tell: it is thrown away, and a detector is fitted to the trained network, on
    whole views (``training.detector``).

    Raises:
        ConfigError: a network without ``encode``, as AST has.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        features = pooled_feature_count(network)
        if not features:
            raise ConfigError("detection: only networks with an encoder that can be looked into, such as AST, learn it")
        self.network: Any = network
        self.probe = nn.Sequential(nn.LayerNorm(features), nn.Linear(features, 1))
        nn.init.zeros_(self.probe[1].weight)  # pyright: ignore[reportArgumentType]

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) → the images restored, and the log-odds (B,) that they were degraded."""
        deepest, skips = self.network.encode(images)
        features = pool(deepest, skips)
        return self.network.decode(images, deepest, skips), self.probe(features)[:, 0]


def detection_loss(log_odds: Tensor, degraded: Tensor, clean: Tensor) -> Tensor:
    """Cross-entropy of log-odds (B,), where a picture counts as degraded from a grey level of error on."""
    is_degraded = (degraded - clean).square().mean((1, 2, 3)) > PSNR_EPS**2
    return F.binary_cross_entropy_with_logits(log_odds.float(), is_degraded.to(torch.float32))
