"""Whether a picture is degraded at all, told from what a network notices in it.

A network that mends what is degraded and leaves alone what is not must tell them apart, place by place. Of the picture
as a whole, the averages of its deepest features are evidence enough for a linear classifier: a probe, in the sense of
Alain and Bengio ("Understanding intermediate layers using linear classifier probes", 2016).
"""

import hashlib
import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

STEEPNESS = 4.0  # of the share: evidence is a mean of views, and several that agree tell more than one
TENSORS = (
    "detector.weight",
    "detector.bias",
    "detector.caution",
)  # as weights files name them; the last may be missing


@dataclass(frozen=True)
class Detector:
    """Weighs ``pooled_features``.

    Attributes:
        weight: of each feature, (F,) float32.
        bias: float32, ().
        caution: the evidence, float32, (), at which half of what a network would change is changed; with 0, all is
            changed as soon as there is any.
    """

    weight: Tensor
    bias: Tensor
    caution: Tensor = field(default_factory=lambda: torch.zeros(()))

    @property
    def tensors(self) -> dict[str, Tensor]:
        """By their names in weights files."""
        return dict(zip(TENSORS, (self.weight.cpu(), self.bias.cpu(), self.caution.cpu()), strict=True))

    @property
    def digest(self) -> str:
        """Tells this detector from another."""
        data = torch.cat([tensor.flatten() for tensor in self.tensors.values()]).numpy().tobytes()
        return hashlib.sha256(data).hexdigest()[:12]

    def evidence(self, features: Tensor) -> float:
        """That a picture is degraded, from the features (N, F) of some views of it: log-odds, 0 being the verge."""
        return float((features @ self.weight + self.bias).mean())

    def share(self, evidence: float) -> float:
        """How much of what a network would change is to be changed, in [0, 1].

        Nothing without evidence that a picture is degraded; where it might be clean, the part that is as large as it is
        likely to be degraded: of what it may be, the mean is the estimate with the least expected squared error.
        """
        caution = float(self.caution)
        if evidence <= 0:
            return 0.0
        return 1 / (1 + math.exp(STEEPNESS * (caution - evidence))) if caution > 0 else 1.0


def pooled_feature_count(network: nn.Module) -> int:
    """How many features ``pooled_features`` gives for a network; 0 for one without ``encode``."""
    if not hasattr(network, "encode"):
        return 0
    channels = int(network.config.in_channels)  # pyright: ignore[reportArgumentType, reportAttributeAccessIssue]
    with torch.inference_mode():
        return pooled_features(network, torch.zeros(1, channels, 1, 1)).shape[1]


def pooled_features(network: nn.Module, images: Tensor) -> Tensor:
    """Mean and standard deviation over all places of a network's two deepest stages: (B, C, H, W) → (B, F) float32.

    The network must have ``encode``, as AST has: these are the last encoder stage and the bottleneck.
    """
    deepest, skips = network.encode(images)  # pyright: ignore[reportCallIssue]
    return pool(deepest, skips)


def pool(deepest: Tensor, skips: list[Tensor]) -> Tensor:
    """``pooled_features`` from what ``encode`` gives."""
    stages = [stage.float().flatten(2) for stage in (skips[-1], deepest)]
    return torch.cat([pooled for stage in stages for pooled in (stage.mean(2), stage.std(2, correction=0))], 1)
