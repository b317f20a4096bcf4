"""Fused operations that know no model, a folder each.

``reference.py`` is a short PyTorch twin, which specifies the operation and does its work where no kernel can; ``op.py``
is called, checks and declares what it passes on to ``op.cpp`` (CPUs) or ``triton.py`` (GPUs); ``training.py`` is half a
transformer block in training, of several operations. Only ``dispatch`` and those who know that Triton is there import
``triton.py``.
"""
