"""Configs from YAML and dotted overrides, strictly; and back."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pellucid.atomic import replacing
from pellucid.errors import ConfigError, MissingExtraError, did_you_mean
from pellucid.training.config import TrainConfig, as_tree


def read_config(path: Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a run from a YAML file.

    Args:
        path: as ``write_config`` writes it; keys that are left out have their defaults.
        overrides: for example ``optimizer.lr=1e-4``, ``stages.0.patch=96``, ``loss={l1: 1}``.

    Raises:
        ConfigError: no such file, no YAML, or a key or value that cannot be; the message names the nearest key.
        MissingExtraError: pydantic or PyYAML is not installed.
    """
    tree = load_yaml(path)
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: holds no settings")
    return parse_config(_with_overrides(tree, overrides), name=str(path))


def load_yaml(path: Path) -> Any:
    """What a YAML file holds.

    Raises:
        ConfigError: no such file, or no YAML.
        MissingExtraError: PyYAML is not installed.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or 'no text'}") from None
    return _from_yaml(text, str(path))


def override(config: TrainConfig, overrides: Sequence[str]) -> TrainConfig:
    """The config with dotted overrides; raises as ``read_config``."""
    return parse_config(_with_overrides(as_tree(config), overrides)) if overrides else config


def parse_config(tree: dict[str, Any], *, name: str = "config") -> TrainConfig:
    """A config from nested dicts and lists; ``name`` begins the message of errors. Raises as ``read_config``."""
    pydantic = _pydantic()
    try:
        return pydantic.TypeAdapter(TrainConfig).validate_python(tree)
    except pydantic.ValidationError as error:
        raise ConfigError(f"{name}: {_in_words(error.errors()[0])}") from None


def json_schema() -> str:
    """A JSON schema of the YAML file, for editors to complete and check it. Raises MissingExtraError."""
    return json.dumps(_pydantic().TypeAdapter(TrainConfig).json_schema(), indent=2)


def to_yaml(config: TrainConfig) -> str:
    """The whole config, as ``read_config`` reads it."""
    return _yaml().safe_dump(as_tree(config), sort_keys=False)


def write_config(config: TrainConfig, path: Path) -> None:
    """Write the whole config as YAML.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        with replacing(path) as temporary:
            temporary.write_text(to_yaml(config))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None


def _with_overrides(tree: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    for text in overrides:
        dotted, equals, value = text.partition("=")
        if not equals or not dotted:
            raise ConfigError(f"'{text}' is no override: write key=value, for example optimizer.lr=1e-4")
        _assign(tree, dotted, _from_yaml(value, text))
    return tree


def _assign(tree: dict[str, Any], dotted: str, value: Any) -> None:
    *parents, last = dotted.split(".")
    node: Any = tree
    for parent in parents:
        node = _into(node, parent, dotted)
    if isinstance(node, list):
        node[_position(node, last, dotted)] = value
    else:
        node[last] = value


def _into(node: Any, key: str, dotted: str) -> Any:
    if isinstance(node, list):
        return node[_position(node, key, dotted)]
    if node.get(key) is None:
        node[key] = {}
    if not isinstance(node[key], dict | list):
        raise ConfigError(f"{dotted}: '{key}' holds a value, not settings")
    return node[key]


def _position(node: list[Any], key: str, dotted: str) -> int:
    if not key.isdecimal() or int(key) >= len(node):
        raise ConfigError(f"{dotted}: '{key}' must be a number from 0 to {len(node) - 1}")
    return int(key)


def _in_words(fault: Any) -> str:
    """The first thing that pydantic found wrong, in one line."""
    place = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "unexpected_keyword_argument":
        *parents, key = fault["loc"]
        where = ".".join(str(part) for part in parents)
        return f"unknown key '{key}'{f' in {where}' if where else ''}.{did_you_mean(str(key), _known_keys(parents))}"
    if fault["type"] == "value_error":
        return f"{place}: {fault['ctx']['error']}" if place else str(fault["ctx"]["error"])
    if fault["type"] in ("missing", "missing_argument", "missing_keyword_only_argument"):
        return f"{place} is missing"
    return f"{place}: {fault['msg'][0].lower()}{fault['msg'][1:]}, not {fault['input']!r}"


def _known_keys(parents: Sequence[Any]) -> list[str]:
    """The keys of the part of a config that lies at ``parents``, by its JSON schema."""
    schema = json.loads(json_schema())
    node = schema
    for part in parents:
        node = _resolved(schema, node["items"] if isinstance(part, int) else node["properties"][part])
    return list(node["properties"])


def _resolved(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference to a definition."""
    return schema["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node


def _from_yaml(text: str, name: str) -> Any:
    yaml = _yaml()
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        raise ConfigError(f"{name}: is no YAML{line}: {getattr(error, 'problem', None) or error}") from None


def _yaml() -> Any:
    try:
        import yaml
    except ImportError:
        raise MissingExtraError("A config in YAML", "train") from None
    return yaml


def _pydantic() -> Any:
    try:
        import pydantic
    except ImportError:
        raise MissingExtraError("Reading a config", "train") from None
    return pydantic
