from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from pellucid.degrade.layers import Depth, Moving


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(side: int = 96) -> Tensor:
    return torch.rand((1, 3, side, side), generator=rng(3))


def test_layers_differ_in_sharpness_and_keep_a_plain_colour() -> None:
    flat = torch.full((1, 3, 96, 96), 0.6)
    params = Depth(radius=(5.0, 5.0), sharp=1.0, highlights=(1.0, 1.0)).sample(rng(1))
    torch.testing.assert_close(Depth().apply(flat, [params]), flat, atol=1e-3, rtol=0)
    contrast = ndimage.generic_filter(Depth().apply(noise(), [params])[0, 0].numpy(), np.std, size=9)
    assert np.quantile(contrast, 0.1) < 0.1
    assert np.quantile(contrast, 0.9) > 0.2


def test_only_the_share_that_moves_is_blurred() -> None:
    params = replace(Moving().sample(rng()), length=6.0, share=0.3)
    changed = ((Moving().apply(noise(), [params]) - noise()).abs() > 0.01).any(1).float().mean().item()
    assert changed == pytest.approx(0.3, abs=0.15)
