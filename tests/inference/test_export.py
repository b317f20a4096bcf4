"""Exported networks give PyTorch's values at sizes that nothing divides, and say what they are."""

import json
import re

import numpy as np
import onnx_ir as ir
import pytest
import torch

import pellucid
from pellucid.errors import ConfigError, ExportError, MissingExtraError
from pellucid.inference.export import export_onnx, export_openvino
from pellucid.inference.export.check import differences_at, picture
from pellucid.inference.export.files import onnx_model, write_onnx
from pellucid.inference.export.precision import to_half
from pellucid.inference.export.runtimes import open_onnx, open_openvino
from pellucid.models.ast import ASTConfig
from pellucid.models.astv2 import ASTv2Config
from pellucid.models.registry import build
from pellucid.models.restormer import RestormerConfig
from pellucid.zoo import list_models

from conftest import one_line

SMALL = {
    # windows of 8 and of 3, shifted and not, in the bottleneck too
    "ast": ASTConfig(
        embed_dim=4,
        depths=(1, 1, 1, 1, 2, 1, 1, 1, 2),
        num_heads=(4, 4, 2, 2, 1),
        window_sizes=(3, 8, 8, 8, 8),
        bottleneck_shift=True,
        ffn_ratio=1.5,
    ),
    "astv2": ASTv2Config(
        dim=24,
        num_blocks=(1, 1, 1),
        num_refinement_blocks=1,
        num_heads=(1, 2, 4),
        ffn_expansion=0.5,
        bias_free_norm=True,
    ),
    "restormer": RestormerConfig(
        in_channels=1,
        out_channels=1,
        dim=4,
        num_blocks=(1, 1, 1, 1),
        num_refinement_blocks=1,
        num_heads=(1, 2, 4, 4),
        bias_free_norm=True,
    ),
}


def copy_of(graph):
    """A graph that shares nothing with this one."""
    return ir.from_proto(ir.to_proto(graph))


@pytest.fixture(scope="module")
def small(randomise):
    """Small networks, and their graphs: tracing takes seconds."""
    networks = {name: randomise(build(config).eval()) for name, config in SMALL.items()}
    graphs = {}

    def get(name):
        if name not in graphs:
            graphs[name] = onnx_model(networks[name])
        return networks[name], copy_of(graphs[name])

    return get


@pytest.fixture
def traced(small, monkeypatch):
    """Have small networks exported without tracing them again."""

    def get(name):
        network, graph = small(name)
        monkeypatch.setattr("pellucid.inference.export.files.capture", lambda _: copy_of(graph))
        monkeypatch.setattr("pellucid.inference.export.files.simplify", lambda model: model)
        return network

    return get


@pytest.mark.parametrize("name", SMALL)
def test_small_networks_give_the_same_values(small, tmp_path, name):
    network, graph = small(name)
    write_onnx(graph, tmp_path / "a.onnx")
    for opened in (open_onnx, open_openvino):
        differences = differences_at(network, opened(tmp_path / "a.onnx"))
        assert list(differences) == ["1x1", "37x21", "75x131"]
        assert max(differences.values()) < 1e-4, opened


def test_windows_that_the_border_cuts_anywhere(small, tmp_path):
    network, graph = small("ast")
    write_onnx(graph, tmp_path / "a.onnx")
    run = open_onnx(tmp_path / "a.onnx")
    for height, width in ((2, 129), (16, 48), (17, 15), (128, 64), (161, 97)):
        image = picture(1, 3, height, width)
        with torch.inference_mode():
            expected = network(image).numpy()
        np.testing.assert_allclose(run(image.numpy()), expected, rtol=0, atol=1e-5 * abs(expected).max())


@pytest.mark.parametrize("info", list_models(), ids=lambda info: info.name)
def test_every_bundled_model_gives_the_same_values(bundled_graph, tmp_path, info):
    network, model = pellucid.load_network(info.path), copy_of(bundled_graph)
    assert network.config == pellucid.load_network(list_models()[0].path).config  # one graph serves all
    for name, tensor in network.named_parameters():
        model.graph.initializers[name].const_value = ir.tensor(tensor.detach().contiguous().numpy(), name=name)
    write_onnx(model, tmp_path / "a.onnx")
    assert max(differences_at(network, open_onnx(tmp_path / "a.onnx")).values()) < 1e-4


@pytest.mark.parametrize("name", SMALL)
def test_half_precision(small, tmp_path, name):
    network, model = small(name)
    to_half(model, "fp16")
    write_onnx(model, tmp_path / "a.onnx")
    assert 1e-6 < max(differences_at(network, open_onnx(tmp_path / "a.onnx")).values()) < 2e-2
    halves = [value for value in model.graph.initializers.values() if value.dtype.itemsize == 2]
    assert len(halves) > len(model.graph.initializers) / 3


def test_bfloat16(bundled_graph, monkeypatch, tmp_path):
    monkeypatch.setattr("pellucid.inference.export.files.capture", lambda _: copy_of(bundled_graph))
    network = pellucid.load_network(list_models()[0].path)
    exported = export_onnx(network, tmp_path / "a.onnx", precision="bf16")
    assert 1e-4 < exported.difference < 2e-2
    assert (tmp_path / "a.onnx").stat().st_size < 6.5e6  # of 10.3


def test_one_file_that_says_what_it_is(traced, tmp_path):
    import onnx

    network = traced("restormer")
    network.working_side = 256
    try:
        exported = export_onnx(network, tmp_path / "r.onnx", about={"task": "denoise", "licence": "Apache-2.0"})
    finally:
        del network.working_side
    assert [path.name for path in tmp_path.iterdir()] == ["r.onnx"]
    assert exported.difference < 1e-4

    model = onnx.load(tmp_path / "r.onnx")
    onnx.checker.check_model(model)
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(facts.pop("config"))["dim"] == 4
    assert facts.pop("input").startswith("degraded: ")
    assert facts == {
        "family": "restormer",
        "precision": "fp32",
        "task": "denoise",
        "licence": "Apache-2.0",
        "working_side": "256",
    }
    assert [axis.dim_param for axis in model.graph.input[0].type.tensor_type.shape.dim] == [
        *("batch", "", "height", "width"),
    ]
    # nothing of the machine that it was made on
    assert str(tmp_path.parent).encode() not in (tmp_path / "r.onnx").read_bytes()
    assert not re.search(rb"site-packages|\.py", (tmp_path / "r.onnx").read_bytes())


def test_openvino_files(traced, tmp_path):
    from openvino import Core

    network = traced("restormer")
    sizes = {}
    for precision in ("fp32", "fp16"):
        exported = export_openvino(network, tmp_path / f"{precision}.xml", precision=precision)
        assert exported.difference < (1e-4 if precision == "fp32" else 5e-3)
        sizes[precision] = (tmp_path / f"{precision}.bin").stat().st_size
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fp16.bin", "fp16.xml", "fp32.bin", "fp32.xml"]
    assert sizes["fp16"] < 0.7 * sizes["fp32"]
    model = Core().read_model(tmp_path / "fp16.xml")
    assert model.get_rt_info(["pellucid", "family"]).astype(str) == "restormer"


def test_a_file_that_is_wrong_is_not_kept(traced, monkeypatch, tmp_path):
    network = traced("restormer")
    monkeypatch.setattr("pellucid.inference.export.files.open_onnx", lambda path: lambda images: images)
    with pytest.raises(ExportError, match="differs from PyTorch's by"):
        export_onnx(network, tmp_path / "r.onnx")
    assert not list(tmp_path.iterdir())


def test_a_network_that_cannot_be_traced_is_one_line(tmp_path):
    class Undecided(torch.nn.Module):
        config = RestormerConfig()

        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(ExportError, match=r"^this network cannot be exported: [^\n]+$"):
        export_onnx(Undecided(), tmp_path / "u.onnx")
    assert not list(tmp_path.iterdir())


def test_refused_before_the_work(monkeypatch, tmp_path):
    network = build(SMALL["restormer"])
    (tmp_path / "there.onnx").write_bytes(b"mine")
    with pytest.raises(ConfigError, match=r"there\.onnx: exists already; `overwrite=True`"):
        export_onnx(network, tmp_path / "there.onnx")
    with pytest.raises(ConfigError, match=r"must end in \.onnx"):
        export_onnx(network, tmp_path / "a.pt")
    with pytest.raises(ConfigError, match="precision must be one of"):
        export_onnx(network, tmp_path / "a.onnx", precision="int8")
    with pytest.raises(ConfigError, match="in a folder that exists"):
        export_onnx(network, tmp_path / "no" / "a.onnx")
    with pytest.raises(ConfigError, match="INFERENCE_PRECISION_HINT"):
        export_openvino(network, tmp_path / "a.xml", precision="bf16")
    with pytest.raises(ConfigError, match="Did you mean 'onnx'"):
        pellucid.export_model("ast-s-denoise", format="onx")
    assert (tmp_path / "there.onnx").read_bytes() == b"mine"


@pytest.mark.parametrize(("library", "extra"), [("onnxscript", "onnx"), ("openvino", "openvino")])
def test_missing_libraries_are_named(monkeypatch, tmp_path, library, extra):
    monkeypatch.setitem(__import__("sys").modules, library, None)
    export = export_onnx if extra == "onnx" else export_openvino
    with pytest.raises(MissingExtraError, match=re.escape(f'pip install "pellucid[{extra}]"')):
        export(build(SMALL["restormer"]), tmp_path / ("a.onnx" if extra == "onnx" else "a.xml"))


def test_from_the_command_line(command, traced, tmp_path):
    network = traced("restormer")
    weights, target = tmp_path / "mine.safetensors", tmp_path / "mine.onnx"
    pellucid.save_network(network, weights, task="denoise", licence="CC0-1.0")
    code, out, err = command("export", weights, "-o", target)
    assert (code, out.strip()) == (0, str(target))
    assert "differs from PyTorch by" in err
    code, out, err = command("export", weights, "-o", target)
    assert code == 2
    assert one_line(err)
    code, out, _ = command("export", weights, "-o", target, "--overwrite", "--json")
    assert code == 0
    assert json.loads(out)["difference"] < 1e-4
    code, _, err = command("export", tmp_path / "none.pth", "-o", tmp_path / "x.onnx")
    assert code == 1
    assert one_line(err)
