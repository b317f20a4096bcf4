"""The fused operations in Triton, for GPUs. Only ``dispatch`` and those who know that Triton is there import them.

Modules named as those above take the same arguments as the C++ of that name.
"""
