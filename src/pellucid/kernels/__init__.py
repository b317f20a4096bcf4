"""Fused operations that know no model. Each has a plain PyTorch twin, which is its specification."""
