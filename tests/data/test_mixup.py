from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from pellucid.data import MixUp


class Numbers:
    """A source whose sample ``index`` is that number, and one more in its target."""

    channels = (1, 1)

    def __len__(self) -> int:
        return 10

    def check_patch(self, patch: int) -> None:
        raise AssertionError("is not looked at here")

    def batch(self, indices: Sequence[int], patch: int) -> tuple[Tensor, Tensor]:
        numbers = torch.tensor([float(index) for index in indices])[:, None, None, None].expand(-1, 1, patch, patch)
        return numbers.clone(), numbers + 1


def test_every_other_sample_is_blended_input_and_target_alike() -> None:
    degraded, clean = MixUp(Numbers(), 1.2).batch(range(1000), 2)
    torch.testing.assert_close(clean, degraded + 1)
    mixed = (degraded[:, 0, 0, 0] != torch.arange(1000.0)).float().mean()
    assert mixed == pytest.approx(0.45, abs=0.06)  # half, but a tenth of these meet themselves
    epoch = torch.arange(1000) // 10 * 10
    assert (degraded[:, 0, 0, 0] >= epoch).all()  # blended with one of the same epoch
    assert (degraded[:, 0, 0, 0] <= epoch + 9).all()


def test_a_batch_may_be_split_in_any_way() -> None:
    source = MixUp(Numbers(), 1.2, seed=3)
    whole = source.batch(range(8), 2)
    parts = [source.batch([i], 2) for i in range(8)]
    for side in (0, 1):
        assert torch.equal(whole[side], torch.cat([part[side] for part in parts]))
