"""Configs from YAML and dotted overrides, strictly; and back."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pellucid.atomic import replacing
from pellucid.errors import ConfigError, MissingExtraError, did_you_mean
from pellucid.training.config import TrainConfig, as_tree

KINDS = {  # pydantic's names of faults, in words of YAML
    "tuple_type": "should be a list, [a, b]",
    "dict_type": "should be settings, {key: value}",
    "dataclass_type": "should be settings, {key: value}",
    "int_type": "should be a whole number",
    "float_type": "should be a number",
    "bool_type": "should be true or false",
    "string_type": "should be text",
    "path_type": "should be a path",
}
WRITTEN_BY_US = "# the whole config of a run, written by pellucid train"
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$")


def read_config(path: Path, overrides: Sequence[str] = (), *, given: Mapping[str, Any] | None = None) -> TrainConfig:
    """Read a run from a YAML file.

    Args:
        path: as ``write_config`` writes it; keys that are left out have their defaults.
        overrides: for example ``optimizer.lr=1e-4``, ``stages.0.patch=96``, ``loss={l1: 1}``.
        given: dotted name → value, put in before the overrides; with them it may complete the file.

    Raises:
        ConfigError: no such file, no YAML, or a key or value that cannot be; the message names the nearest key.
        MissingExtraError: pydantic or PyYAML is not installed.
    """
    tree = load_yaml(path)
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: holds no settings")
    return parse_config(_changed(tree, overrides, given), name=str(path))


def override(
    config: TrainConfig, overrides: Sequence[str] = (), *, given: Mapping[str, Any] | None = None
) -> TrainConfig:
    """The config with changes, as ``read_config`` makes them; raises as it does."""
    return parse_config(_changed(as_tree(config), overrides, given)) if overrides or given else config


def parse_config(tree: dict[str, Any], *, name: str = "config") -> TrainConfig:
    """A config from nested dicts and lists; ``name`` begins the message of errors. Raises as ``read_config``."""
    pydantic = _pydantic()
    try:
        # as JSON, in which a list can be a tuple and a text a path, but nothing else is taken for another kind
        return pydantic.TypeAdapter(TrainConfig).validate_json(json.dumps(tree))
    except TypeError as error:
        raise ConfigError(f"{name}: {error}") from None
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
            temporary.write_text(f"{WRITTEN_BY_US}\n{to_yaml(config)}")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None


def is_written_by_us(path: Path) -> bool:
    """Whether a file is one that ``write_config`` wrote."""
    try:
        with path.open() as file:
            return file.readline().rstrip() == WRITTEN_BY_US
    except (OSError, UnicodeDecodeError):
        return False


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


def _changed(tree: dict[str, Any], overrides: Sequence[str], given: Mapping[str, Any] | None) -> dict[str, Any]:
    for dotted, value in (given or {}).items():
        _assign(tree, dotted, value)
    for text in overrides:
        dotted, equals, value = text.partition("=")
        if not equals or not dotted:
            raise ConfigError(f"'{text}' is no override: write key=value, for example optimizer.lr=1e-4")
        _assign(tree, dotted, _from_yaml(value, text))
    return tree


def _assign(tree: dict[str, Any], dotted: str, value: Any) -> None:
    """Set a value at a dotted place; sections that are not there yet are made."""
    *parents, last = dotted.split(".")
    node: Any = tree
    for parent in parents:
        if isinstance(node, dict) and node.get(parent) is None:
            node[parent] = {}
        node = node[_key(node, parent, dotted)]
    node[_key(node, last, dotted)] = value


def _key(node: Any, key: str, dotted: str) -> Any:
    """What finds a key in a section, or a position in a list."""
    if isinstance(node, dict):
        return key
    if not isinstance(node, list):
        raise ConfigError(f"{dotted}: there are no settings that '{key}' could be one of")
    if not key.isdecimal() or int(key) >= len(node):
        raise ConfigError(f"{dotted}: there are {len(node)}, from 0 on, and no '{key}'")
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
    if fault["type"].startswith("missing"):
        return f"{place} is missing"
    wanted = KINDS.get(fault["type"]) or f"{fault['msg'][0].lower()}{fault['msg'][1:]}"
    return f"{place}: {wanted}, not {fault['input']!r}"


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
        return yaml.load(text, _loader(yaml))
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        raise ConfigError(f"{name}: is no YAML{line}: {getattr(error, 'problem', None) or error}") from None


def _loader(yaml: Any) -> Any:
    """PyYAML's safe loader, but 1e-4 is a number, as in YAML 1.2, and a key that stands twice is an error."""

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            keys = [key.value for key, _ in node.value]
            if twice := [key for key in keys if keys.count(key) > 1]:
                raise yaml.constructor.ConstructorError(None, None, f"'{twice[0]}' stands twice", node.start_mark)
            return super().construct_mapping(node, deep)

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))
    return Loader


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
