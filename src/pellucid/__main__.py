"""``python -m pellucid``: the command line."""

from pellucid.cli.main import run

run()
