"""Configs: what cannot be is refused, and YAML goes there and back."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pellucid.errors import ConfigError
from pellucid.training import TrainConfig
from pellucid.training.config import DataConfig, NetworkConfig, OptimizerConfig, Stage, as_tree, resolve_epochs
from pellucid.training.parse import json_schema, override, parse_config, read_config, to_yaml, write_config
from pellucid.training.recipes import RECIPES


@pytest.mark.parametrize("name", RECIPES)
def test_yaml_goes_there_and_back(name: str, tmp_path: Path) -> None:
    config = RECIPES[name](Path("train"), Path("val"), Path("run"))
    write_config(config, tmp_path / "run.yaml")
    again = read_config(tmp_path / "run.yaml")
    assert as_tree(again) == as_tree(config)
    assert again.stages == config.stages
    assert again.data.train == Path("train")


def test_a_short_file_has_defaults(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(
        "task: derain\nout: runs/x\ndata: {train: pairs}\nstages: [{iterations: 10}]\noptimizer: {lr: 1e-4}\n"
    )
    config = read_config(tmp_path / "run.yaml")
    assert config.stages == (Stage(iterations=10),)
    assert config.optimizer == OptimizerConfig(lr=1e-4)  # which YAML 1.1 takes for text
    assert config.network == NetworkConfig()


def tree(**changes: Any) -> dict[str, Any]:
    return {"task": "derain", "out": "x", "data": {"train": "y"}, "stages": [{"iterations": 1}], **changes}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (tree(optimiser={}), "config: unknown key 'optimiser'. Did you mean 'optimizer'?"),
        (tree(optimizer={"learning_rate": 1}), "config: unknown key 'learning_rate' in optimizer. "),
        (tree(optimizer={"lrr": 1}), "config: unknown key 'lrr' in optimizer. Did you mean 'lr'?"),
        (tree(stages=[{"iterations": 1, "pach": 3}]), "unknown key 'pach' in stages.0. Did you mean 'patch'?"),
        (tree(data={"train": "y", "dgrade": {}}), "unknown key 'dgrade' in data. Did you mean 'degrade'?"),
        (tree(data={"train": "y", "degrade": {"rian": {}}}), "data: Unknown degradation 'rian'. Did you mean 'rain'?"),
        (tree(loss={"edg": 1}), "Unknown loss 'edg'. Did you mean 'edge'?"),
        (tree(precision="fp8"), "Unknown precision 'fp8'. Did you mean 'fp32'?"),
        (tree(optimizer={"lr": "fast"}), "optimizer.lr: input should be a valid number"),
        (tree(every=0), "every must be at least 1, not 0"),
        (tree(stages=[]), "stages must list at least one stage"),
        (tree(stages=[{}]), "stages.0: a stage needs either iterations or epochs"),
        (tree(stages=[{"iterations": 1, "batch": 3, "accumulate": 2}]), "cannot be accumulated over 2"),
        (tree(data={"train": "y", "val": "z", "degrade": {"rain": {}}}), "data.val_degrade is needed"),
        (tree(network={"name": None}), "network needs a name, or init"),
        ({"task": "derain"}, "is missing"),
    ],
)
def test_what_cannot_be_is_one_line(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_config(given)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task: [", "run.yaml: is no YAML, line 1"),
        ("just words", "run.yaml: holds no settings"),
        ("", "run.yaml: holds no settings"),
    ],
)
def test_files_that_hold_no_config_are_one_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_config(tmp_path / "run.yaml")
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_config(tmp_path / "none.yaml")


def test_dotted_overrides(config: TrainConfig) -> None:
    changed = override(
        config, ["optimizer.lr=2e-5", "stages.1.batch=8", "network.overrides.embed_dim=8", "loss={l1: 1, fft: 0.1}"]
    )
    assert changed.optimizer == replace(config.optimizer, lr=2e-5)
    assert [stage.batch for stage in changed.stages] == [4, 8]
    assert changed.network.overrides["embed_dim"] == 8
    assert changed.loss == {"l1": 1.0, "fft": 0.1}
    assert changed.data == config.data
    assert override(config, ["data.val=null"]).data.val is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("optimizer.lr", "is no override: write key=value"),
        ("optimizer.rl=1", "unknown key 'rl' in optimizer. Did you mean 'lr'?"),
        ("stages.2.patch=1", "'2' must be a number from 0 to 1"),
        ("stages.first.patch=1", "'first' must be a number"),
        ("seed.x=1", "'seed' holds a value, not settings"),
        ("loss={l1: ", "is no YAML"),
    ],
)
def test_overrides_that_mean_nothing_are_one_line(config: TrainConfig, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        override(config, [text])


def test_the_schema_knows_every_key() -> None:
    schema = json.loads(json_schema())
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) == {"task", "data", "stages", "out"}
    assert set(schema["$defs"]) == {"DataConfig", "NetworkConfig", "OptimizerConfig", "Stage"}
    assert schema["$defs"]["Stage"]["properties"]["patch"]["type"] == "integer"


def test_epochs_become_steps(config: TrainConfig) -> None:
    stages = (Stage(batch=4, epochs=2), Stage(batch=2, epochs=0.5), Stage(batch=2, iterations=7))
    resolved = resolve_epochs(replace(config, stages=stages, optimizer=OptimizerConfig(warmup_epochs=1)), photos=10)
    assert [stage.iterations for stage in resolved.stages] == [5, 3, 7]
    assert [stage.warmup for stage in resolved.stages] == [3, 5, 5]
    assert resolved.optimizer.warmup == 3
    assert resolved.iterations == 15
    assert resolve_epochs(resolved, photos=99) == resolved


def test_folders_of_pairs_need_no_degradations() -> None:
    assert DataConfig(train=Path("pairs"), val=Path("pairs")).degrade is None


def test_yaml_has_the_keys_in_the_order_of_the_docstring(config: TrainConfig) -> None:
    keys = [line.split(":")[0] for line in to_yaml(config).splitlines() if line[0].isalpha()]
    assert keys[:4] == ["task", "data", "stages", "out"]
