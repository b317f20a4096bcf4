"""Every backend restores as PyTorch does."""

import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch.nn import Conv2d, Module, Sequential

import pellucid
from pellucid.blocks.feedforward import FRFN
from pellucid.errors import ConfigError, ExportError, MissingExtraError
from pellucid.files.journal import recipe_of
from pellucid.inference import Restorer
from pellucid.inference.backends import exported, resolve_precision
from pellucid.inference.guard import TileWatch

from conftest import one_line


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_cache(cache, monkeypatch):
    """A cache that these tests share, beside the user's kernels, which need not be compiled again."""
    monkeypatch.setattr(exported, "cache_folder", lambda kind: cache / kind)


@pytest.fixture(scope="module")
def noisy(photo):
    noise = np.random.default_rng(0).normal(0, 20, (100, 139, 3))
    return (photo[80:180, 120:259] + noise).clip(0, 255).astype(np.uint8)


@pytest.fixture
def traced(bundled_graph, monkeypatch):
    """Have the first bundled model exported without tracing it again."""
    graph = ir.from_proto(ir.to_proto(bundled_graph))
    monkeypatch.setattr("pellucid.inference.export.files.capture", lambda _: graph)


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_a_bundled_model_restores_the_same_photo(noisy, cache, traced, backend):
    expected = pellucid.restore(noisy, task="denoise", tile=96, overlap=32, precision="fp32")
    restored = pellucid.restore(noisy, task="denoise", tile=96, overlap=32, backend=backend, precision="fp32")
    assert np.abs(restored.astype(int) - expected).max() <= 1
    assert np.abs(expected.astype(int) - noisy).max() > 10
    assert len(list((cache / "exported").iterdir())) == 1  # both use one file


IN_BF16 = """
import sys
from pathlib import Path
import numpy as np, pellucid
from pellucid.inference.backends import exported
exported.cache_folder = lambda kind: Path(sys.argv[1]) / kind
noisy = np.load(sys.argv[2])
np.save(sys.argv[2], pellucid.restore(noisy, task="denoise", tile=96, overlap=32, backend="openvino", precision="bf16"))
"""


def test_openvino_in_bf16(noisy, cache, traced, tmp_path):
    expected = pellucid.restore(noisy, task="denoise", tile=96, overlap=32, precision="fp32")
    pellucid.restore(noisy, task="denoise", tile=96, overlap=32, backend="openvino")  # exports, where it has to
    np.save(tmp_path / "picture.npy", noisy)
    # by itself: a process that has exported, and used AMX in OpenVINO, dies here of the next signal it gets
    subprocess.run([sys.executable, "-c", IN_BF16, cache, tmp_path / "picture.npy"], check=True)
    restored = np.load(tmp_path / "picture.npy")
    assert np.abs(restored.astype(int) - expected).max() <= 6  # bf16 has 8 bits to a number
    assert np.abs(restored.astype(int) - expected).mean() < 0.7


def test_a_file_is_made_once_for_the_same_weights(tiny_ast, monkeypatch, cache):
    made = []

    def model(network):
        made.append(network)
        return b""

    monkeypatch.setattr(exported, "onnx_model", model)
    monkeypatch.setattr(exported, "write_onnx", lambda model, path: path.write_bytes(model))
    monkeypatch.setattr(exported, "check", lambda *_: {})
    first = exported.cached_onnx(tiny_ast, lambda path: None)
    assert exported.cached_onnx(tiny_ast, lambda path: None) == first
    assert len(made) == 1
    with torch.no_grad():
        tiny_ast.output.bias += 1
    try:
        assert exported.cached_onnx(tiny_ast, lambda path: None) != first
    finally:
        with torch.no_grad():
            tiny_ast.output.bias -= 1
    assert len(made) == 2


def test_a_file_that_is_wrong_is_not_kept(tiny_ast, monkeypatch, cache):
    before = set((cache / "exported").iterdir())
    monkeypatch.setattr(exported, "onnx_model", lambda network: b"")
    monkeypatch.setattr(exported, "write_onnx", lambda model, path: path.write_bytes(model))
    with torch.no_grad():
        tiny_ast.output.bias += 2
    try:
        with pytest.raises(pellucid.PellucidError, match="differs from PyTorch's"):
            exported.cached_onnx(tiny_ast, lambda path: lambda images: images)
    finally:
        with torch.no_grad():
            tiny_ast.output.bias -= 2
    assert set((cache / "exported").iterdir()) == before


def test_what_cannot_be_believed_is_computed_again_by_pytorch(tiny_ast, noisy, monkeypatch):
    monkeypatch.setattr(exported, "cached_onnx", lambda network, open_file: Path("none.onnx"))
    monkeypatch.setattr(exported, "open_onnx", lambda path: lambda images: images * np.nan)
    exported._open.cache_clear()
    restorer = Restorer(tiny_ast, tile=96, backend="onnx")
    watch = TileWatch()
    restored = restorer.restore_array(noisy, watch=watch)
    assert {event.remedy for event in watch.events} == {"fp32"}
    np.testing.assert_array_equal(restored, Restorer(tiny_ast, tile=96).restore_array(noisy))


def test_memory_that_runs_out_ends_in_smaller_tiles(tiny_ast, noisy, monkeypatch):
    def fail(images):
        raise MemoryError("bad allocation")

    monkeypatch.setattr(exported, "cached_onnx", lambda network, open_file: Path("none.onnx"))
    monkeypatch.setattr(exported, "open_onnx", lambda path: fail)
    exported._open.cache_clear()
    restored = Restorer(tiny_ast, tile=96, backend="onnx").restore_array(noisy)
    assert np.abs(restored.astype(int) - Restorer(tiny_ast, tile=96).restore_array(noisy)).max() < 64


def test_auto_is_torch_and_recipes_tell_backends_apart(tiny_ast, monkeypatch):
    monkeypatch.setattr(exported, "cached_onnx", lambda network, open_file: Path("none.onnx"))
    monkeypatch.setattr(exported, "open_onnx", lambda path: lambda images: images)
    exported._open.cache_clear()
    recipes = {name: recipe_of(Restorer(tiny_ast, backend=name)) for name in ("auto", "torch", "onnx")}
    assert Restorer(tiny_ast, backend="auto").options.backend == "torch"
    assert recipes["auto"] == recipes["torch"] != recipes["onnx"]


class Slight(Module):
    """A network that compiles in seconds."""

    config = SimpleNamespace(in_channels=3, out_channels=3)
    stride = alignment = 1

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = Sequential(Conv2d(3, 8, 3, padding=1), FRFN(8, 8), Conv2d(8, 3, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + 0.05 * self.body(x)


@pytest.mark.skipif(shutil.which("g++") is None, reason="PyTorch's compiler needs one for C++")
def test_compiled_networks_restore_pictures_of_any_size(noisy):
    network = Slight().eval()
    restorer = Restorer(network, tile="off", backend="compile")
    assert restorer.options.precision == "fp32"
    for pixels in (noisy, noisy[:77, :64]):
        expected = Restorer(network, tile="off", precision="fp32").restore_array(pixels)
        assert np.abs(restorer.restore_array(pixels).astype(int) - expected).max() <= 1


def test_what_cannot_be_compiled_is_one_line(tiny_ast, noisy, monkeypatch):
    def fail(*_, **__):
        raise torch._dynamo.exc.BackendCompilerFailed(fail, RuntimeError("no compiler"), None)

    monkeypatch.setattr(torch, "compile", lambda network, dynamic: fail)
    with pytest.raises(ExportError, match=r"cannot compile this network: .*no compiler"):
        Restorer(tiny_ast, tile="off", backend="compile").restore_array(noisy)


@pytest.mark.parametrize(
    ("loss", "backend", "processor", "expected"),
    [
        (0.01, "torch", True, "bf16"),
        (0.01, "openvino", True, "fp32"),
        (0.01, "onnx", True, "fp32"),
        (0.02, "torch", True, "high"),
        (None, "torch", True, "high"),
        (None, "openvino", True, "fp32"),
        (0.01, "torch", False, "high"),
    ],
)
def test_auto_is_the_quickest_precision_that_does_no_harm(monkeypatch, loss, backend, processor, expected):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: processor)
    assert resolve_precision("auto", backend, torch.device("cpu"), loss) == expected


def test_refused(tiny_ast, command, weights, tmp_path):
    with pytest.raises(ConfigError, match="Did you mean 'openvino'"):
        Restorer(tiny_ast, backend="openvinno")
    with pytest.raises(ConfigError, match="backend onnx computes in fp32, not bf16"):
        Restorer(tiny_ast, backend="onnx", precision="bf16")
    with pytest.raises(ConfigError, match="runs on the CPU, not on meta"):
        exported_device = torch.device("meta")
        from pellucid.inference.backends import open_backend

        open_backend("onnx", tiny_ast, exported_device, "fp32")
    code, _, errors = command("restore", tmp_path / "a.png", "-m", weights, "--backend", "tensorrt")
    assert code == 2
    assert one_line(errors)


@pytest.mark.parametrize(("backend", "library"), [("onnx", "onnxruntime"), ("openvino", "openvino")])
def test_missing_libraries_are_named(tiny_ast, monkeypatch, backend, library):
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.setattr(exported, "cached_onnx", lambda network, open_file: Path("none.onnx"))
    exported._open.cache_clear()
    with pytest.raises(MissingExtraError, match=rf"pip install \"pellucid\[{backend}\]\""):
        Restorer(tiny_ast, backend=backend)
