from dataclasses import replace
from pathlib import Path

import torch

from pellucid.training.config import DataConfig, Stage, TrainConfig
from pellucid.training.sources import open_source

from conftest import textured


def test_a_stage_has_degradations_of_its_own(tmp_path: Path) -> None:
    for i in range(2):
        textured(tmp_path / f"{i}.png", seed=i)
    easy, hard = Stage(patch=16, batch=2, iterations=3, degrade={}), Stage(patch=16, batch=2, iterations=3)
    data = DataConfig(train=tmp_path, degrade={"gaussian": {"low": 50, "high": 50}})
    config = TrainConfig(task="any", data=data, stages=(easy, hard), out=tmp_path)
    source = open_source(config, torch.device("cpu"))
    is_clean = [torch.equal(*source.batch(range(first, first + 2), 16)) for first in range(0, 12, 2)]
    assert is_clean == [True] * 3 + [False] * 3
    alone = open_source(replace(config, stages=(hard,)), torch.device("cpu"))
    for one, other in zip(source.batch([6, 7], 16), alone.batch([6, 7], 16), strict=True):
        assert torch.equal(one, other)
