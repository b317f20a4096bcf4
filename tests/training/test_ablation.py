import json
from dataclasses import replace
from pathlib import Path

import pytest

from pellucid.training import TrainConfig, ablation
from pellucid.training.ablation import TABLES, Row, as_markdown, run_ablation, variants

from conftest import Run, one_line, textured


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return textured(tmp_path / "photos" / "photo.png").parent


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two variants of four channels."""
    monkeypatch.setattr(ablation, "LAYOUT", ablation.LAYOUT | {"embed_dim": 4, "num_heads": (4, 4, 2, 2, 1)})
    monkeypatch.setitem(TABLES, "attention", {"Swin": "swin", "ASSA": "assa"})
    monkeypatch.setattr(ablation, "RATIOS", [1.0, 2.0])


def test_variants_have_as_many_parameters_each() -> None:
    found = variants()
    assert [variant.title for variant in found] == [*TABLES["attention"], *TABLES["feedforward"]]
    paper = next(variant for variant in found if variant.title == "FRFN")
    assert paper.overrides["ffn_ratio"] == 2.0
    assert all(abs(variant.parameters / paper.parameters - 1) < 0.02 for variant in found)


@pytest.mark.usefixtures("tiny")
def test_runs_are_shared_resumed_and_not_done_again(photos: Path, tmp_path: Path) -> None:
    names: list[str] = []
    common = {"data": photos, "val": photos, "out": tmp_path / "out", "table": "attention", "steps": 2, "patch": 32}

    def run(share: tuple[int, int]) -> list[Row]:
        return run_ablation(
            **common,
            batch=1,
            seeds=2,
            share=share,
            change=lambda config: replace(config, precision="fp32"),
            on_run=lambda name, number, count: names.append(name),
        )

    assert [row.title for row in run((1, 2))] == ["Swin"]
    assert names == ["attention-swin-0", "attention-swin-1"]
    rows = run((2, 2))
    assert sorted(names) == [f"attention-{kind}-{seed}" for kind in ("assa", "swin") for seed in (0, 1)]
    assert [row.title for row in rows] == ["Swin", "ASSA"]
    assert rows[0].psnr[0] != rows[0].psnr[1]
    assert run((1, 1)) == rows
    assert len(names) == 4
    stored = json.loads((tmp_path / "out" / "ablation.json").read_text())
    assert [row["psnr"] for row in stored["rows"]] == [list(row.psnr) for row in rows]


def test_the_table_has_mean_and_deviation() -> None:
    text = as_markdown([Row(table="attention", title="ASSA", parameters=1234, psnr=(30.0, 31.0, 32.0))])
    assert "| ASSA | 1,234 | 31.00 ± 1.00 | 30.00, 31.00, 32.00 |" in text


@pytest.mark.usefixtures("tiny")
def test_the_command_prints_the_table(command: Run, photos: Path, tmp_path: Path) -> None:
    ablate = ["ablate", "--data", photos, "--val", photos, "--out", tmp_path / "out", "--steps", 1, "--patch", 32]
    ablate += ["--batch", 1, "--seeds", 1, "--table", "attention", "--threads", 1]
    code, printed, errors = command(*ablate)
    assert code == 0
    assert "| Swin |" in printed
    assert errors.splitlines() == ["1/2 attention-swin-0", "2/2 attention-assa-0"]


@pytest.mark.parametrize("wrong", [["--table", "atention"], ["--share", "3/2"], ["--share", "half"]])
def test_what_cannot_be_is_one_line(wrong: list[str], command: Run, photos: Path, tmp_path: Path) -> None:
    code, _, errors = command("ablate", "--data", photos, "--val", photos, "--out", tmp_path / "out", *wrong)
    assert code == 2
    assert one_line(errors)


def test_nothing_but_the_variant_and_the_seed_differs(photos: Path, tmp_path: Path) -> None:
    sizes = {"data": photos, "val": photos, "out": tmp_path, "steps": 5, "patch": 32, "batch": 2}
    configs: list[TrainConfig] = [ablation.run_config(variant, 0, **sizes) for variant in variants("feedforward")]
    first = configs[0]
    for config in configs[1:]:
        assert replace(config, network=first.network, out=first.out) == first
