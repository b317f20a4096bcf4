"""Names of a package that are imported on first use, so that importing it is quick and does nothing else."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazy(package: str, homes: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """A package's ``__getattr__``, by the names that each of its modules has; one without names is a name itself."""

    def load(name: str) -> Any:
        for home, names in homes.items():
            if name in names or (name == home and not names):
                module = import_module(f"{package}.{home}")
                return getattr(module, name) if names else module
        raise AttributeError(f"module '{package}' has no attribute '{name}'")

    return load
