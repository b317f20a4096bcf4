from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from pellucid.checkpoints import load_network, save_network
from pellucid.degrade import compose
from pellucid.errors import CheckpointError
from pellucid.inference import Restorer
from pellucid.inference.guard import TileWatch
from pellucid.models import create_network
from pellucid.models.detector import Detector, pooled_features
from pellucid.training.detector import fit_detector

from conftest import TINY_AST


def scene(seed: int, side: int = 300) -> np.ndarray:
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(side, side, 3)), (6, 6, 0))
    return (255 * np.clip(0.5 + 2 * smooth, 0, 1)).astype(np.uint8)


def test_features_are_means_and_deviations_of_the_two_deepest_stages() -> None:
    network = create_network("ast-t", **TINY_AST).eval()
    images = torch.rand(2, 3, 40, 50)
    with torch.inference_mode():
        features = pooled_features(network, images)
        deepest, skips = network.encode(images)
    assert features.shape == (2, 2 * 32 + 2 * 64)
    torch.testing.assert_close(features[:, :32], skips[-1].mean((2, 3)))
    torch.testing.assert_close(features[:, -64:], deepest.std((2, 3), correction=0))


@pytest.mark.parametrize("working_side", [None, 128])
def test_a_detector_fitted_to_some_scenes_judges_others(tmp_path: Path, working_side: int | None) -> None:
    for seed in range(6):
        Image.fromarray(scene(seed)).save(tmp_path / f"{seed}.png")
    torch.manual_seed(0)
    network = create_network("ast-t", **TINY_AST).eval()
    network.working_side = working_side
    noise = {"gaussian": {"low": 60.0, "high": 60.0}}
    detector = fit_detector(Restorer(network), sorted(tmp_path.iterdir()), noise, views=3)
    network.detector = detector

    degradation, restorer = compose(noise), Restorer(network)
    for seed in range(10, 14):
        clean = scene(seed, 128)
        image = torch.from_numpy(clean).permute(2, 0, 1)[None] / 255
        params = degradation.sample(torch.Generator().manual_seed(seed))
        noisy = degradation.apply(image, [params])[0].permute(1, 2, 0).numpy()
        assert restorer.judge([clean], TileWatch()) == 0
        assert restorer.judge([noisy], TileWatch()) == 1


def test_the_share_grows_with_the_evidence() -> None:
    bold, careful = (Detector(torch.zeros(1), torch.zeros(()), torch.tensor(caution)) for caution in (0.0, 3.0))
    assert bold.share(-0.1) == careful.share(-0.1) == 0
    assert bold.share(0.1) == 1
    assert careful.share(3.0) == 0.5
    assert careful.share(0.1) < 0.01
    assert careful.share(6.0) > 0.99
    assert bold.digest != careful.digest


def test_weights_files_hold_it_at_full_precision(tmp_path: Path) -> None:
    Image.fromarray(scene(0)).save(tmp_path / "0.png")
    network = create_network("ast-t", **TINY_AST).eval()
    fitted = fit_detector(Restorer(network), [tmp_path / "0.png"], {"gaussian": {}}, views=1)
    network.detector = replace(fitted, caution=torch.tensor(1.23))
    path = tmp_path / "weights.safetensors"
    save_network(network, path, task="denoise", licence="CC0", dtype=torch.float16)
    loaded = load_network(path)
    assert torch.equal(loaded.detector.weight, network.detector.weight)
    assert torch.equal(loaded.detector.bias, network.detector.bias)
    assert torch.equal(loaded.detector.caution, network.detector.caution)
    assert "detector.weight" not in loaded.state_dict()


def test_a_detector_of_other_features_is_refused(tmp_path: Path) -> None:
    for name, network in {
        "other": create_network("ast-t", **TINY_AST),
        "none": create_network(
            "restormer", dim=4, num_blocks=(1, 1, 1, 1), num_refinement_blocks=1, num_heads=(1, 1, 1, 1)
        ),
    }.items():
        network.detector = Detector(torch.zeros(7), torch.zeros(()))
        save_network(network, tmp_path / name, task="denoise", licence="CC0")
        with pytest.raises(CheckpointError, match=r"its detector weighs \(7,\) features, not"):
            load_network(tmp_path / name)
