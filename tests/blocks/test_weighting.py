"""Each way from logits to weights, against its definition in a line or two."""

import pytest
import torch
from torch.nn import functional as F

from pellucid.blocks.weighting import AdaptiveSparse, Modulated, Softmax, Sparse, TopK


@pytest.fixture
def logits():
    return 3 * torch.randn(2, 3, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_softmax(logits):
    expected = logits.exp() / logits.exp().sum(-1, keepdim=True)
    torch.testing.assert_close(Softmax()(logits), expected)


def test_adaptive_sparse_adds_softmax_and_squared_relu(logits):
    weighting = AdaptiveSparse().double()
    with torch.no_grad():
        weighting.balance.copy_(torch.tensor([0.4, -1.1]))
    dense, sparse = torch.tensor([0.4, -1.1], dtype=torch.float64).softmax(0)
    torch.testing.assert_close(weighting(logits), dense * logits.softmax(-1) + sparse * logits.clamp(min=0) ** 2)


def test_adaptive_sparse_starts_balanced(logits):
    expected = (logits.softmax(-1) + logits.clamp(min=0) ** 2) / 2
    torch.testing.assert_close(AdaptiveSparse().double()(logits), expected)


@pytest.mark.parametrize(("large", "dense"), [(0, True), (1, False)])
def test_adaptive_sparse_balance_is_dense_then_sparse(logits, large, dense):
    weighting = AdaptiveSparse().double()
    with torch.no_grad():
        weighting.balance[large] = 100
    torch.testing.assert_close(weighting(logits), logits.softmax(-1) if dense else logits.clamp(min=0) ** 2)


def test_the_halves_of_adaptive_sparse(logits):
    torch.testing.assert_close(Sparse()(logits), logits.clamp(min=0) ** 2)
    expected = (logits.softmax(-1) + logits.clamp(min=0)) / 2
    torch.testing.assert_close(AdaptiveSparse(squared=False).double()(logits), expected)


def test_adaptive_sparse_gives_hidden_keys_exactly_nothing():
    weights = AdaptiveSparse()(torch.tensor([[1.0, -torch.inf, 2.0, -torch.inf]]))
    assert weights.isfinite().all()
    assert weights[0, [1, 3]].tolist() == [0, 0]


@pytest.mark.parametrize("keys", [1, 2, 3, 5, 6, 8, 15, 48])
def test_top_k_adds_four_softmaxes_over_the_largest(keys):
    weighting = TopK().double()
    assert weighting.scales.tolist() == pytest.approx([0.2] * 4)
    with torch.no_grad():
        weighting.scales.copy_(torch.tensor([0.1, 0.2, 0.3, 0.7]))
    logits = torch.randn(2, 3, 4, keys, dtype=torch.float64)
    expected = torch.zeros_like(logits)
    for scale, kept in zip(weighting.scales, (keys // 2, keys * 2 // 3, keys * 3 // 4, keys * 4 // 5), strict=True):
        least = logits.topk(max(kept, 1)).values.min(-1, keepdim=True).values
        expected += scale * logits.masked_fill(logits < least, -torch.inf).softmax(-1)
    torch.testing.assert_close(weighting(logits), expected)


def test_top_k_keeps_exactly_k_of_equal_logits():
    weighting = TopK()
    with torch.no_grad():
        weighting.scales.copy_(torch.tensor([1.0, 0, 0, 0]))
    assert weighting(torch.zeros(1, 8)).sort().values.tolist() == [[0] * 4 + [0.25] * 4]


@pytest.mark.parametrize("bias", [False, True])
def test_modulated_scales_and_shifts_softmax(randomise, logits, bias):
    weighting = randomise(Modulated(7, bias=bias)).double()
    sparse = logits.clamp(min=0) ** 2
    seen = F.gelu(sparse) * sparse @ weighting.modulate.weight.T + (weighting.modulate.bias if bias else 0)
    expected = logits.softmax(-1) * (1 + seen[..., :7]) + seen[..., 7:]
    torch.testing.assert_close(weighting(logits), expected)
