"""The ``pellucid`` command: one thin module per verb, each of which imports what it needs when it runs."""
