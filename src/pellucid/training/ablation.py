"""AST's two ablations (§4.3): what attention and what feed-forward network, all else alike.

Every variant is a network of the same layout whose feed-forward width is chosen so that it has as many parameters as
the others, trained on the same samples by the same schedule, with several seeds. The task is rain made on clean
photographs, where the paper took SPAD.
"""

import csv
import json
import logging
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch

from pellucid.atomic import replacing
from pellucid.errors import ConfigError, did_you_mean
from pellucid.models import create_network
from pellucid.models.ast.choices import ATTENTIONS, FEEDFORWARDS
from pellucid.models.cost import count_parameters
from pellucid.training.config import NetworkConfig, Stage, TrainConfig
from pellucid.training.loop import StepReport, train
from pellucid.training.recipes.ours import derain
from pellucid.training.run import LAST

log = logging.getLogger(__name__)

TABLES = {  # title of a variant → its name in a config
    "attention": {row.title: name for name, row in ATTENTIONS.items() if row.title},
    "feedforward": {row.title: name for name, row in FEEDFORWARDS.items() if row.title},
}
PAPER = {"attention": "assa", "feedforward": "frfn"}
LAYOUT = {"embed_dim": 8, "depths": (1,) * 9, "num_heads": (8, 8, 4, 2, 1), "drop_path": 0.0}
RATIOS = [ratio / 32 for ratio in range(16, 257)]  # of the feed-forward network's width, to match parameters with
RESULTS = "ablation.json"


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One row of a table.

    Attributes:
        table: "attention" or "feedforward".
        title: as the table calls it.
        overrides: of ``create_network("ast-t")``.
        parameters: learned scalars.
    """

    table: str
    title: str
    overrides: dict[str, Any]
    parameters: int

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.table}-{self.overrides[self.table]}"


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a variant reached: PSNR in dB on validation, for each seed, and over them."""

    table: str
    title: str
    parameters: int
    psnr: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return fmean(self.psnr)

    @property
    def deviation(self) -> float:
        """Sample standard deviation over the seeds; undefined for one."""
        return stdev(self.psnr) if len(self.psnr) > 1 else float("nan")


def variants(table: str | None = None, *, ffn_ratio: float = 2.0) -> list[Variant]:
    """Every variant of one table or of both, with as many parameters as the paper's network at ``ffn_ratio``.

    Raises:
        ConfigError: no such table.
    """
    if table is not None and table not in TABLES:
        raise ConfigError(f"Unknown table '{table}'.{did_you_mean(table, TABLES)}")
    wanted = _parameters({**LAYOUT, **PAPER, "ffn_ratio": ffn_ratio})
    found: list[Variant] = []
    for name in TABLES if table is None else (table,):
        for title, kind in TABLES[name].items():
            overrides = _matched({**LAYOUT, **PAPER, name: kind}, wanted)
            found.append(Variant(table=name, title=title, overrides=overrides, parameters=_parameters(overrides)))
    return found


def run_config(
    variant: Variant, seed: int, *, data: Path, val: Path, out: Path, steps: int, patch: int, batch: int
) -> TrainConfig:
    """The run of one variant and seed: the ``derain`` recipe, validated once, at its end."""
    recipe = derain(data, val, out / f"{variant.name}-{seed}")
    return replace(
        recipe,
        network=NetworkConfig(name="ast-t", overrides=variant.overrides),
        stages=(Stage(patch=patch, batch=batch, iterations=steps),),
        optimizer=replace(recipe.optimizer, warmup=min(100, steps // 10)),
        every=steps,
        seed=seed,
    )


def run_ablation(
    *,
    data: Path,
    val: Path,
    out: Path,
    table: str | None = None,
    steps: int = 1000,
    patch: int = 64,
    batch: int = 8,
    seeds: int = 3,
    share: tuple[int, int] = (1, 1),
    change: Callable[[TrainConfig], TrainConfig] = lambda config: config,
    on_run: Callable[[str, int, int], None] | None = None,
    on_step: Callable[[StepReport], None] | None = None,
) -> list[Row]:
    """Train every variant with every seed; runs that are done are not done again, one that was stopped goes on.

    Args:
        data, val: folders of clean photographs.
        out: of the runs and of ``ablation.json``.
        table: "attention" or "feedforward"; None: both.
        steps, patch, batch: of each run.
        seeds: how many, from 0.
        share: (i, n): do every n-th run only, from the i-th, so that n computers or processes share the work.
        change: of each run's config, such as its precision.
        on_run: called before each run with its name, its number and how many there are.
        on_step: as for ``train``.

    Returns:
        The rows of which all seeds are done, by whomever.

    Raises:
        ConfigError: no such table or share, or as ``train``.
    """
    number, count = share
    if not 1 <= number <= count:
        raise ConfigError(f"share must be i/n with i from 1 to n, not {number}/{count}")
    found = variants(table)
    # seed by seed, so that a table of fewer seeds is there early
    runs = [(variant, seed) for seed in range(seeds) for variant in found]
    for place, (variant, seed) in enumerate(runs, 1):
        sizes = {"steps": steps, "patch": patch, "batch": batch}
        config = change(run_config(variant, seed, data=data, val=val, out=out, **sizes))
        if (place - number) % count or _last_score(config.out / "log.csv", config.iterations) is not None:
            continue
        if on_run:
            on_run(config.out.name, place, len(runs))
        train(config, resume=(config.out / LAST).exists(), on_step=on_step)
    rows = list(_rows(found, seeds, out, steps))
    _write(rows, out / RESULTS, {"steps": steps, "patch": patch, "batch": batch, "seeds": seeds})
    return rows


def as_markdown(rows: list[Row]) -> str:
    """Both tables, for a document."""
    lines: list[str] = []
    for table in dict.fromkeys(row.table for row in rows):
        lines += [f"| {table} | parameters | PSNR, dB | seeds |", "|---|---:|---:|---|"]
        for row in (row for row in rows if row.table == table):
            seeds = ", ".join(f"{score:.2f}" for score in row.psnr)
            lines.append(f"| {row.title} | {row.parameters:,} | {row.mean:.2f} ± {row.deviation:.2f} | {seeds} |")
        lines.append("")
    return "\n".join(lines).rstrip()


def _matched(overrides: dict[str, Any], wanted: int) -> dict[str, Any]:
    """With the feed-forward width that brings the number of parameters, which it only raises, nearest to the wanted."""
    choices = [{**overrides, "ffn_ratio": ratio} for ratio in RATIOS]
    above = bisect_left(choices, wanted, key=_parameters, hi=len(choices) - 1)
    return min(choices[max(above - 1, 0) : above + 1], key=lambda choice: abs(_parameters(choice) - wanted))


def _parameters(overrides: dict[str, Any]) -> int:
    with torch.device("meta"):
        return count_parameters(create_network("ast-t", **overrides))


def _rows(found: list[Variant], seeds: int, out: Path, steps: int) -> Iterator[Row]:
    for variant in found:
        scores = [_last_score(out / f"{variant.name}-{seed}" / "log.csv", steps) for seed in range(seeds)]
        done = tuple(score for score in scores if score is not None)
        if len(done) == seeds:
            yield Row(table=variant.table, title=variant.title, parameters=variant.parameters, psnr=done)


def _last_score(path: Path, steps: int) -> float | None:
    """Mean PSNR over the validation's labels after so many steps; None before."""
    if not path.exists():
        return None
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["step"] == str(steps)]
    scores = [float(value) for name, value in rows[-1].items() if name.startswith("psnr")] if rows else []
    return fmean(scores) if scores else None


def _write(rows: list[Row], path: Path, budget: dict[str, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps({"budget": budget, "rows": [asdict(row) for row in rows]}, indent=2) + "\n")
