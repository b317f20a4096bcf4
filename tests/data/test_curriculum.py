from collections.abc import Sequence

import torch
from torch import Tensor

from pellucid.data import Curriculum


class Numbered:
    """Gives its number as every pixel."""

    channels = (1, 1)

    def __init__(self, number: int) -> None:
        self.number = number

    def __len__(self) -> int:
        return 10 * self.number

    def check_patch(self, patch: int) -> None: ...

    def batch(self, indices: Sequence[int], patch: int) -> tuple[Tensor, Tensor]:
        image = torch.full((len(indices), 1, patch, patch), float(self.number))
        return image, image


def test_samples_come_from_the_source_of_their_time() -> None:
    curriculum = Curriculum([(0, Numbered(1)), (8, Numbered(2)), (24, Numbered(3))])
    given = [curriculum.batch(range(first, first + 4), 2)[0].unique().tolist() for first in range(0, 40, 4)]
    assert given == [[1.0]] * 2 + [[2.0]] * 4 + [[3.0]] * 4
    assert len(curriculum) == 30
