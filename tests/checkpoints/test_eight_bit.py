import pytest
import torch
from safetensors.torch import load_file, save_file

from pellucid.checkpoints import load_network, open_checkpoint, save_network
from pellucid.checkpoints.eight_bit import SCALE, from_eight_bits, to_eight_bits
from pellucid.errors import CheckpointError
from pellucid.models.ast import ASTConfig
from pellucid.models.registry import build

TINY = ASTConfig(embed_dim=4, depths=(1,) * 9, num_heads=(1,) * 5, ffn_ratio=1.0, stem=2)


def test_filters_are_kept_to_half_a_step(randomise) -> None:
    state = randomise(build(TINY)).state_dict()
    stored = to_eight_bits(state)
    for key, tensor in from_eight_bits(stored).items():
        if tensor.dim() == 4:
            assert stored[key].dtype == torch.int8
            assert ((tensor - state[key]).abs() <= 0.501 * stored[key + SCALE]).all()
            largest = state[key].abs().amax((1, 2, 3))
            torch.testing.assert_close(tensor.abs().amax((1, 2, 3)), largest)
        else:
            torch.testing.assert_close(tensor.float(), state[key], rtol=1e-3, atol=1e-4)


def test_a_filter_of_zeros_stays_zeros() -> None:
    assert not from_eight_bits(to_eight_bits({"weight": torch.zeros(2, 3, 3, 3)}))["weight"].any()


def test_a_file_is_half_as_large_and_loads(randomise, tmp_path) -> None:
    network = randomise(build(TINY)).eval()
    paths = {dtype: tmp_path / f"{dtype}.safetensors" for dtype in (torch.float16, torch.int8)}
    for dtype, path in paths.items():
        save_network(network, path, task="any", licence="ours", dtype=dtype)
    half, eight = (sum(t.nbytes for t in load_file(path).values()) for path in paths.values())
    assert eight < 0.62 * half
    loaded = load_network(paths[torch.int8])
    assert open_checkpoint(paths[torch.int8]).config == TINY
    image = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        expected, got = network(image) - image, loaded(image) - image
    assert (expected - got).square().mean() < 0.01 * expected.square().mean()


def test_scales_that_do_not_fit_are_damage(tmp_path) -> None:
    path = tmp_path / "bad.safetensors"
    save_file({"a": torch.ones(2, 3, 1, 1, dtype=torch.int8), "a" + SCALE: torch.ones(5, 1, 1, 1)}, path)
    with pytest.raises(CheckpointError, match="damaged"):
        open_checkpoint(path)
