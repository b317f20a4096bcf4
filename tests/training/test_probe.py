from statistics import fmean

import pytest
import torch

from pellucid.errors import ConfigError
from pellucid.models import create_network
from pellucid.training.probe import Probed, detection_loss

from conftest import TINY_AST


def test_a_probed_network_restores_as_it_does_alone() -> None:
    network = create_network("ast-t", **TINY_AST).eval()
    images = torch.rand(2, 3, 40, 50)
    with torch.no_grad():
        restored, log_odds = Probed(network).eval()(images)
        torch.testing.assert_close(restored, network(images))
    assert log_odds.shape == (2,)


def test_it_learns_to_tell_noise() -> None:
    torch.manual_seed(0)
    probed = Probed(create_network("ast-t", **TINY_AST))
    before = {name: value.clone() for name, value in probed.network.encoder.named_parameters()}
    optimizer = torch.optim.Adam(probed.parameters(), lr=1e-3)
    losses: list[float] = []
    for _ in range(150):
        clean = torch.rand(8, 3, 1, 1).expand(-1, -1, 32, 32)
        noisy = clean + 0.2 * torch.randn(clean.shape) * (torch.arange(8) % 2)[:, None, None, None]
        loss = detection_loss(probed(noisy)[1], noisy, clean)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert fmean(losses[-20:]) < 0.5 * losses[0]
    after = dict(probed.network.encoder.named_parameters())
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_less_than_a_grey_level_of_error_is_clean() -> None:
    clean = torch.full((2, 3, 8, 8), 0.5)
    degraded = clean + torch.tensor([0.9, 1.1])[:, None, None, None] / 255
    sure = torch.tensor([-20.0, 20.0])
    assert detection_loss(sure, degraded, clean) < 1e-6
    assert detection_loss(-sure, degraded, clean) > 19


def test_networks_without_an_encoder_to_look_into_are_refused() -> None:
    network = create_network("restormer", dim=4, num_blocks=(1, 1, 1, 1), num_refinement_blocks=1, num_heads=(1,) * 4)
    with pytest.raises(ConfigError, match="detection: only networks"):
        Probed(network)
