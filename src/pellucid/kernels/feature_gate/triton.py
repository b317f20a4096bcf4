"""The middle of AST's feed-forward network, called as the C++ of that name is."""

import torch
from torch import Tensor

from pellucid.kernels.depthwise_gate import triton as depthwise_gate


def forward(shape: tuple[int, ...], expanded: Tensor, weight: Tensor, bias: Tensor, out: Tensor) -> None:
    depthwise_gate.forward(expanded, weight, bias, out, depthwise_gate.FRFN)


def backward(
    shape: tuple[int, ...],
    expanded: Tensor,
    weight: Tensor,
    bias: Tensor,
    grad: Tensor,
    grad_expanded: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
) -> None:
    results = (grad_expanded, grad_weight, grad_bias)
    depthwise_gate.backward(expanded, weight, bias, grad, *results, depthwise_gate.FRFN)


def trial(dtype: torch.dtype, device: torch.device) -> None:
    """Both directions once."""
    expanded = torch.zeros(1, 4, 4, 128, dtype=dtype, device=device).permute(0, 3, 1, 2).requires_grad_()
    weight, bias = torch.zeros(64, 1, 3, 3, device=device), torch.zeros(64, device=device)
    depthwise_gate.gate(expanded, weight, bias, depthwise_gate.FRFN).sum().backward()
