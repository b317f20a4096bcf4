from pathlib import Path

import pytest

from pellucid.benchmark.registry import BENCHMARKS, Benchmark, find_benchmark, registered
from pellucid.errors import ConfigError
from pellucid.metrics.protocols import PROTOCOLS
from pellucid.zoo import TASKS

SIGMAS = {15, 25, 50}


@pytest.mark.parametrize("benchmark", BENCHMARKS, ids=lambda benchmark: benchmark.id)
def test_an_entry_is_consistent(benchmark: Benchmark) -> None:
    assert find_benchmark(benchmark.id) is benchmark
    assert benchmark.task in TASKS
    assert benchmark.protocol in PROTOCOLS
    assert {row.sigma for row in benchmark.published} <= (SIGMAS if benchmark.kind == "gaussian" else {None})
    assert all(row.ssim is None for row in benchmark.published if not benchmark.ssim)
    assert all("[1]" in row.source or "[2]" in row.source for row in benchmark.published)
    assert (benchmark.protocol == "matlab-y") == (benchmark.task == "derain")


def test_ids_are_unique() -> None:
    assert len({benchmark.id for benchmark in BENCHMARKS}) == len(BENCHMARKS)


@pytest.mark.parametrize(
    ("id", "sigma", "expected"),
    [
        ("spad", None, [("AST-B", 49.51, 0.9942), ("AST-B+ (self-ensemble)", 49.72, 0.9944)]),
        ("agan-a", None, [("AST-B", 32.32, 0.935)]),
        ("rain100l", None, [("Restormer", 38.99, 0.978)]),
        ("gopro", None, [("Restormer", 32.92, None)]),
        ("cbsd68", 25, [("Restormer, blind", 31.78, None)]),
        ("bsd68", 50, [("Restormer, blind", 26.62, None)]),
        ("kodak24", 25, []),
    ],
)
def test_published_rows(id: str, sigma: float | None, expected: list[tuple[str, float, float | None]]) -> None:
    benchmark = find_benchmark(id)
    rows = benchmark.comparable(protocol=benchmark.protocol, sigma=sigma)
    assert [(row.model, row.psnr, row.ssim) for row in rows][: len(expected)] == expected


def test_rows_of_another_protocol_or_noise_level_are_not_compared() -> None:
    rain = find_benchmark("rain100l")
    assert rain.refusal("matlab-y") is None
    assert rain.comparable(protocol="rgb", sigma=None) == []
    assert "scored under matlab-y and these under rgb" in str(rain.refusal("rgb"))
    assert find_benchmark("cbsd68").comparable(protocol="rgb", sigma=30) == []
    aligned = find_benchmark("realblur-j")
    assert aligned.comparable(protocol=aligned.protocol, sigma=None) == []
    assert "after alignment" in str(aligned.refusal(aligned.protocol))


def test_a_folder_is_known_by_its_name() -> None:
    assert registered(Path("somewhere/CBSD68")) is find_benchmark("cbsd68")
    assert registered(Path("Kodak24_full/")) is find_benchmark("kodak24-full")
    assert registered(Path("val")) is None


def test_a_misspelt_id_is_answered() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'rain100l'"):
        find_benchmark("rain100")
