"""How an option of the library becomes one of the command: a row for each, and verbs that take tables of rows."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import wraps
from operator import attrgetter
from pkgutil import resolve_name
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from pellucid.errors import ConfigError


@dataclass(frozen=True)
class Row:
    """An option of the command, and what it is in Python.

    Attributes:
        field: the field of the dataclass that it sets; "saving.quality" is one in a dataclass there.
        kind: what Typer makes of what is typed.
        help: the rest of its line in ``--help``.
        flags: as they are typed; none is the field's name.
        value: from what was typed to the field's value; raises ConfigError.
        typed: the way back, for the default.
        sets: what a flag without a value makes of the field; flags of one field exclude each other.
        environment: a variable that says it where the command does not.
    """

    field: str
    kind: Any
    help: str
    flags: tuple[str, ...] = ()
    value: Callable[[Any], Any] = lambda typed: typed
    typed: Callable[[Any], Any] = lambda value: value
    sets: str | None = None
    environment: str | None = None

    @property
    def flag(self) -> str:
        """The flag that messages name."""
        return self.flags[0].split("/")[0] if self.flags else "--" + self.field.split(".")[-1].replace("_", "-")

    @property
    def name(self) -> str:
        """Of the parameter, in a verb's signature."""
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def option(self) -> Any:
        """As Typer has it."""
        return typer.Option(*(self.flags or (self.flag,)), help=self.help, envvar=self.environment)


@dataclass(frozen=True)
class Table:
    """The rows that make up an options object: where its class is, and a verb's own defaults."""

    home: str
    rows: tuple[Row, ...]
    defaults: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def only(self, *fields: str, **defaults: Any) -> "Table":
        """Some of the options, with a verb's own defaults."""
        return Table(self.home, tuple(row for row in self.rows if row.field in fields), defaults)

    def without(self, *fields: str, **defaults: Any) -> "Table":
        """All options but some, with a verb's own defaults."""
        return self.only(*(row.field for row in self.rows if row.field not in fields), **defaults)

    def _options(self) -> Any:
        return resolve_name(self.home)(**self.defaults)

    def typed(self) -> dict[str, Any]:
        """The defaults by parameter, as they would be typed."""
        options = self._options()
        return {row.name: not row.sets and row.typed(attrgetter(row.field)(options)) for row in self.rows}

    def build(self, typed: Mapping[str, Any]) -> Any:
        """The object, of what was typed; raises ConfigError as its class does, or where two exclude each other."""
        chosen = [row for row in self.rows if row.sets and typed[row.name]]
        if len({row.field for row in chosen}) < len(chosen):
            raise ConfigError(f"{' and '.join(row.flag for row in chosen)} exclude each other; choose one")
        options, changes = self._options(), dict[str, Any]({row.field: row.sets for row in chosen})
        for row in self.rows:
            if not row.sets:
                outer, _, inner = row.field.partition(".")
                value = row.value(typed[row.name])
                inside = changes.get(outer, getattr(options, outer))
                changes[outer] = replace(inside, **{inner: value}) if inner else value
        return replace(options, **changes)


def with_options(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the rows of the tables that its parameters are annotated with; it gets the objects built."""
    parameters, tables = list[inspect.Parameter](), dict[str, Table]()
    for parameter in inspect.signature(verb).parameters.values():
        table = next((each for each in parameter.annotation.__metadata__ if isinstance(each, Table)), None)
        if table is None:
            parameters.append(parameter)
            continue
        tables[parameter.name] = table
        for row in table.rows:
            annotation = Annotated[row.kind, row.option]
            parameters.append(parameter.replace(name=row.name, annotation=annotation, default=None))

    @wraps(verb)
    def run(**given: Any) -> None:
        typed = {row.name: given.pop(row.name) for table in tables.values() for row in table.rows}
        verb(**given, **{name: table.build(typed) for name, table in tables.items()})

    run.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportAttributeAccessIssue]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.tables = tuple(tables.values())  # pyright: ignore[reportAttributeAccessIssue]
    return run


class Verb(TyperCommand):
    """A command that asks the library for its options' defaults when it is run or explained, and not before."""

    def get_params(self, ctx: Any) -> Any:
        """Its parameters."""
        for table in getattr(self.callback, "tables", ()):
            defaults = table.typed()
            for parameter in self.params:
                parameter.default = defaults.get(parameter.name, parameter.default)
        return super().get_params(ctx)
