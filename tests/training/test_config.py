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
        (tree(optimizer={"lr": "fast"}), "optimizer.lr: should be a number, not 'fast'"),
        (tree(every=0), "every must be at least 1, not 0"),
        (tree(stages=[]), "stages must list at least one stage"),
        (tree(stages=[{}]), "stages.0: a stage needs either iterations or epochs"),
        (tree(stages=[{"iterations": 1, "batch": 3, "accumulate": 2}]), "cannot be accumulated over 2"),
        (tree(data={"train": "y", "val": "z", "degrade": {"rain": {}}}), "data.val_degrade is needed"),
        (tree(every=True), "every: should be a whole number, not True"),
        (tree(optimizer={"lr": "1"}), "optimizer.lr: should be a number, not '1'"),
        (tree(optimizer={"lr": float("inf")}), "lr must be above 0, not inf"),
        (tree(optimizer={"betas": [1.0, 2.0]}), "betas must be at least 0 and below 1"),
        (tree(optimizer={"warmup": 1, "warmup_epochs": 1}), "exclude each other"),
        (tree(loss={"l1": float("nan")}), "loss.l1 must be a finite number"),
        (tree(ema=5), "ema must be below 1"),
        (tree(seed=2**64), "seed"),
        (tree(data={"train": "y", "workers": 100_000}), "workers must be at most 256"),
        (tree(data={"train": "y", "val_degrade": {"a": {}}}), "val_degrade is for clean photographs"),
        (tree(data={"train": "y", "desaturate": 2.0, "degrade": {}}), "desaturate must be at most 1, not 2.0"),
        (tree(data={"train": "y", "desaturate": 0.5}), "data.desaturate is for clean photographs"),
        (tree(data={"train": "y", "retouch": 2.0, "degrade": {}}), "retouch must be at most 1, not 2.0"),
        (tree(data={"train": "y", "shrink": 2}), "data.shrink is for clean photographs"),
        (tree(data={"train": "y", "retouch": 0.5}), "data.retouch is for clean photographs"),
        (tree(data={"train": "y", "longest": 99}), "data.longest is for clean photographs"),
        (tree(data={"train": "y", "degrade": {"rain": {"level": 3}}}), "Unknown level '3' of rain"),
        (tree(data={"train": "y", "degrade": {"rain": {"level": ["a"]}}}), "Unknown level"),
        (tree(data={"train": "y", "degrade": {"rain": {"name": 1}}}), "rain has no option 'name'"),
        (tree(data={"train": "y", "degrade": {"rain": {"scale": 0}}}), "rain: "),
        (tree(data={"train": "y", "degrade": {"rain": {"scale": True}}}), "rain.scale must be a finite number"),
        (tree(data={"train": "y", "degrade": {"jpeg": {"quality": [0, 500]}}}), "jpeg: quality must be from 1 to 100"),
        (tree(data={"train": "y", "degrade": {"jpeg": {"quality": [3.5, 9]}}}), "must be a whole number"),
        (tree(network={"freeze": "encoder"}), "network.freeze: should be a list, [a, b], not 'encoder'"),
        (tree(optimizer=3), "optimizer: should be settings, {key: value}, not 3"),
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
        ("every: 1\nevery: 2", "run.yaml: is no YAML, line 1: 'every' stands twice"),
        ("every: 2026-11-20", "not JSON serializable"),
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
        ("stages.2.patch=1", "there are 2, from 0 on, and no '2'"),
        ("optimizer.betas.0.x=1", "there are no settings that 'x' could be one of"),
        ("data.degrade.gaussian.low=[", "is no YAML"),
        ("stages.first.patch=1", "there are 2, from 0 on, and no 'first'"),
        ("seed.x=1", "there are no settings that 'x' could be one of"),
        ("loss={l1: ", "is no YAML"),
    ],
)
def test_overrides_that_mean_nothing_are_one_line(config: TrainConfig, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        override(config, [text])


def test_options_and_overrides_complete_a_file(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("task: derain\nstages: [{iterations: 10}]\n")
    config = read_config(tmp_path / "run.yaml", ["out=x", "optimizer.lr=1e-4"], given={"data.train": "~/photos"})
    assert config.out == Path("x")
    assert config.data.train == Path.home() / "photos"
    assert config.optimizer.lr == 1e-4


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
    own = replace(config, stages=(Stage(batch=4, epochs=2, warmup=1),), optimizer=OptimizerConfig(warmup_epochs=1))
    assert resolve_epochs(own, photos=10).stages[0].warmup == 1
    assert resolved.optimizer.warmup == 3
    assert resolved.iterations == 15
    assert resolve_epochs(resolved, photos=99) == resolved


def test_folders_of_pairs_need_no_degradations() -> None:
    assert DataConfig(train=Path("pairs"), val=Path("pairs")).degrade is None


def test_yaml_has_the_keys_in_the_order_of_the_docstring(config: TrainConfig) -> None:
    keys = [line.split(":")[0] for line in to_yaml(config).splitlines() if line[0].isalpha()]
    assert keys[:4] == ["task", "data", "stages", "out"]
