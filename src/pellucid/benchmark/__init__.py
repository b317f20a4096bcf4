"""How models are scored: the literature's test sets under their exact protocols, resumed, reported, compared.

The measurements of pellucid itself, how fast and how robust it is, are in the folder ``benchmarks``.
"""
