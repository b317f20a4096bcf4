"""Kernels are compiled once, and done without where that fails."""

import logging
from pathlib import Path

import pytest
import torch

from pellucid.kernels import compiler, dispatch
from pellucid.kernels.convolution import op as convolution
from pellucid.models import create_network

needs_compiler = pytest.mark.skipif(compiler.library("layer_norm") is None, reason="no C++ compiler")


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """An empty cache, and nothing loaded yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compiler.library.cache_clear()
    yield
    compiler.library.cache_clear()


@needs_compiler
def test_compiled_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert compiler.library("layer_norm") is not None
    made = list(tmp_path.rglob("*"))
    assert [path.name.split("-")[0] for path in made if path.is_file()] == ["layer_norm"]
    compiler.library.cache_clear()
    monkeypatch.setattr(compiler.subprocess, "run", None)
    assert compiler.library("layer_norm") is not None, "found in the cache"


@needs_compiler
def test_compiled_together(tmp_path: Path) -> None:
    compiler.compile_together({"layer_norm", "depthwise_gate"})
    made = {path.name.split("-")[0] for path in tmp_path.rglob("*.so")}
    assert made == {"layer_norm", "depthwise_gate"}
    assert compiler.library.cache_info().misses == 2


def test_a_network_names_all_that_it_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were one not called through ``kernel`` or ``fused``, the first restoration would wait for it later, alone."""
    called: list[str] = []
    monkeypatch.setattr(dispatch, "library", lambda name: called.append(name))
    monkeypatch.setattr(convolution, "library", lambda name: called.append(name))
    for name in ("ast-t", "astv2-s", "restormer"):
        network = create_network(name).eval()
        called.clear()
        with torch.inference_mode():
            network(torch.rand(1, 3, 64, 64))
        assert called
        assert set(called) <= dispatch.sources(network)


def test_without_a_compiler(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(compiler.shutil, "which", lambda name: None)
    with caplog.at_level(logging.INFO):
        assert compiler.library("layer_norm") is None
    assert "no C++ compiler" in caplog.text


def test_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(compiler.SWITCH, "0")
    assert compiler.library("layer_norm") is None


def test_a_broken_compiler_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    broken = tmp_path / "c++"
    broken.write_text("#!/bin/sh\necho no space left >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(compiler.shutil, "which", lambda name: str(broken))
    with caplog.at_level(logging.INFO):
        assert compiler.library("layer_norm") is None
    assert "no space left" in caplog.text
    assert not list(tmp_path.rglob("*.so"))
