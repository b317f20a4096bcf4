"""Measurements of pellucid itself: how fast, how good, how robust. Not ``pellucid.benchmark``, which scores any model.

``python -m benchmarks`` lists them. Each is a file with a ``main``, in the folder of the question that it answers;
results, dated and with the machine named, are in ``results/``.
"""
