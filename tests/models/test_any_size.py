"""Every network takes any image, gives the same size back, and trains whole."""

import pytest
import torch
from torch.nn import functional as F

from pellucid.blocks.transformer import set_gradient_checkpointing
from pellucid.models.ast import ASTConfig
from pellucid.models.ast.choices import ATTENTIONS, FEEDFORWARDS
from pellucid.models.astv2 import ASTv2Config
from pellucid.models.registry import build
from pellucid.models.restormer import RestormerConfig

DEPTHS = (1, 1, 1, 1, 2, 1, 1, 1, 2)
AST = {
    "embed_dim": 4,
    "depths": DEPTHS,
    "num_heads": (4, 4, 2, 2, 1),
    "ffn_ratio": 1.5,
    "bottleneck_shift": True,
    "drop_path": 0.0,
}
RESTORMER = {"dim": 4, "num_blocks": (1, 1, 1, 2), "num_refinement_blocks": 1, "num_heads": (1, 2, 4, 4)}

FAMILIES = {
    "ast": ASTConfig(**AST),
    "restormer": RestormerConfig(**RESTORMER),
    "astv2": ASTv2Config(dim=24, num_blocks=(1, 1, 1), num_refinement_blocks=1, num_heads=(1, 2, 4), ffn_expansion=0.5),
}
CHOICES = {
    **{f"ast-{kind}": ASTConfig(**AST, attention=kind) for kind in ATTENTIONS if kind != "assa"},
    **{
        f"ast-{kind}": ASTConfig(**AST, feedforward=kind)
        for kind in FEEDFORWARDS
        if kind not in ("frfn", "frfn-grouped")
    },
    "ast-frfn-grouped": ASTConfig(**{**AST, "embed_dim": 24, "ffn_ratio": 0.5}, feedforward="frfn-grouped"),
    "ast-shrunken": ASTConfig(**{**AST, "bottleneck_shift": False}, window_sizes=(3, 6, 8, 8, 8)),
    "ast-stem": ASTConfig(**AST, stem=2),
    "restormer-dual-pixel": RestormerConfig(**RESTORMER, in_channels=6, dual_pixel=True, bias=True),
    "restormer-bias-free-grey": RestormerConfig(**RESTORMER, in_channels=1, out_channels=1, bias_free_norm=True),
}
ALL = FAMILIES | CHOICES


@pytest.fixture(scope="module")
def network(randomise):
    built = {}

    def get(name):
        if name not in built:
            built[name] = randomise(build(ALL[name]).eval())
        return built[name].eval()

    return get


def picture(config, *size, count=1):
    generator = torch.Generator().manual_seed(1)
    return torch.rand(count, config.in_channels, *size, generator=generator)


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (100, 173)], ids=str)
@pytest.mark.parametrize("name", ALL)
def test_any_size_comes_back_whole(network, name, size):
    net, image = network(name), picture(ALL[name], *size)
    with torch.inference_mode():
        output = net(image)
    assert output.shape == (1, ALL[name].out_channels, *size)
    assert output.isfinite().all()
    if image.shape == output.shape:
        assert not torch.equal(output, image)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_large_odd_picture_comes_back_whole(network, name):
    net, image = network(name), picture(ALL[name], 1030, 517)
    with torch.inference_mode():
        output = net(image)
    assert output.shape == image.shape
    assert output.isfinite().all()


@pytest.mark.parametrize("name", ALL)
def test_missing_rows_and_columns_are_filled_by_reflection(network, name):
    net = network(name)
    image = picture(ALL[name], 37, 50)
    padding = (0, -50 % net.stride, 0, -37 % net.stride)
    with torch.inference_mode():
        whole = net(F.pad(image, padding, mode="reflect"))
        output = net(image)
    torch.testing.assert_close(output, whole[..., :37, :50], rtol=0, atol=1e-5 * whole.abs().max().item())


@pytest.mark.parametrize("name", ALL)
def test_a_batch_of_three_is_three_pictures(network, name):
    net, images = network(name), picture(ALL[name], 30, 41, count=3)
    with torch.inference_mode():
        together = net(images)
        alone = torch.cat([net(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=0, atol=5e-5 * alone.abs().max().item())


@pytest.mark.parametrize("name", ALL)
def test_gradients_reach_every_parameter(network, name):
    net = network(name).train()
    net.zero_grad()
    net(picture(ALL[name], 35, 50)).square().mean().backward()
    for key, parameter in net.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        assert parameter.grad.any(), key


@pytest.mark.parametrize(
    "config", [ASTConfig(**{**AST, "drop_path": 0.3}), *FAMILIES.values()], ids=lambda config: type(config).__name__
)
def test_gradient_checkpointing_changes_no_gradient(randomise, config):
    net = randomise(build(config)).train()
    images = picture(config, 20, 33, count=2)

    def gradients():
        net.zero_grad()
        torch.manual_seed(5)
        net(images).square().mean().backward()
        return {key: parameter.grad.clone() for key, parameter in net.named_parameters()}

    expected = gradients()
    set_gradient_checkpointing(net)
    for key, gradient in gradients().items():
        assert torch.equal(gradient, expected[key]), key


@pytest.mark.parametrize("name", FAMILIES)
def test_networks_run_in_bfloat16(network, name):
    net, image = network(name), picture(ALL[name], 30, 41)
    with torch.inference_mode():
        exact = net(image) - image
        with torch.autocast("cpu", torch.bfloat16):
            rough = net(image) - image
    assert rough.isfinite().all()
    assert (rough - exact).square().mean() < 0.05 * exact.square().mean()


@pytest.mark.parametrize("name", FAMILIES)
def test_output_is_not_clamped(network, name):
    net, image = network(name), 3 * picture(ALL[name], 24, 24) - 1
    with torch.inference_mode():
        output = net(image)
    assert output.min() < 0
    assert output.max() > 1


def test_dual_pixel_does_not_add_the_input(randomise):
    net = randomise(build(ALL["restormer-dual-pixel"]).eval())
    with torch.no_grad():
        net.output.weight.zero_()
        net.output.bias.zero_()
        assert not net(picture(net.config, 16, 16)).any()


def test_a_stem_embeds_squares_of_pixels(randomise):
    """One convolution of 3·stem is a space-to-depth and a 3×3 convolution."""
    network = randomise(build(ASTConfig(**AST, stem=2)))
    image = picture(network.config, 32, 64)
    squares = network.embed.weight.unflatten(2, (3, 2)).unflatten(4, (3, 2)).permute(0, 1, 3, 5, 2, 4).flatten(1, 3)
    by_hand = F.conv2d(F.pixel_unshuffle(image, 2), squares, network.embed.bias, padding=1)
    torch.testing.assert_close(network.embed(image), by_hand)
