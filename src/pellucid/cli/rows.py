"""How an option of the library becomes one of the command: a row for each, and verbs that take tables of rows."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import wraps
from operator import attrgetter
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
    """

    field: str
    kind: Any
    help: str
    flags: tuple[str, ...] = ()
    value: Callable[[Any], Any] = lambda typed: typed
    typed: Callable[[Any], Any] = lambda value: value
    sets: str | None = None

    @property
    def flag(self) -> str:
        """The flag that messages name."""
        return (self.flags or (f"--{self.field.replace('_', '-')}",))[0].split("/")[0]

    @property
    def name(self) -> str:
        """Of the parameter, in a verb's signature."""
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def option(self) -> Any:
        """As Typer has it."""
        return typer.Option(*(self.flags or (self.flag,)), help=self.help)


@dataclass(frozen=True)
class Table:
    """The rows that make up an options object.

    Attributes:
        home: its class, by its name in ``pellucid``.
        rows: its options.
        defaults: where a verb's own differ from the class's.
    """

    home: str
    rows: tuple[Row, ...]
    defaults: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def only(self, *fields: str, **defaults: Any) -> "Table":
        """Some of the options, with defaults of their own."""
        return Table(self.home, tuple(row for row in self.rows if row.field in fields), defaults)

    def without(self, *fields: str, **defaults: Any) -> "Table":
        """All other options, with defaults of their own."""
        return Table(self.home, tuple(row for row in self.rows if row.field not in fields), defaults)

    def typed(self) -> dict[str, Any]:
        """The defaults by parameter, as they would be typed."""
        options = self._options()
        return {row.name: False if row.sets else row.typed(attrgetter(row.field)(options)) for row in self.rows}

    def build(self, typed: Mapping[str, Any]) -> Any:
        """The object, of what was typed.

        Raises:
            ConfigError: an option has no such value, or two exclude each other.
        """
        options, changes, chosen = self._options(), dict[str, Any](), dict[str, str]()
        for row in self.rows:
            outer, _, inner = row.field.partition(".")
            if row.sets and typed[row.name]:
                if outer in chosen:
                    others = [other.flag for other in self.rows if other.field == row.field]
                    raise ConfigError(f"{', '.join(others[:-1])} and {others[-1]} exclude each other; choose one")
                chosen[outer] = changes[outer] = row.sets
            elif inner:
                within = changes.get(outer, getattr(options, outer))
                changes[outer] = replace(within, **{inner: row.value(typed[row.name])})
            elif not row.sets:
                changes[outer] = row.value(typed[row.name])
        return replace(options, **changes)

    def _options(self) -> Any:
        import pellucid

        return getattr(pellucid, self.home)(**self.defaults)


def with_options(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the rows of the tables that its parameters are annotated with; it gets the objects built."""
    parameters: list[inspect.Parameter] = []
    tables: dict[str, Table] = {}
    for parameter in inspect.signature(verb).parameters.values():
        table = next(
            (each for each in getattr(parameter.annotation, "__metadata__", ()) if isinstance(each, Table)), None
        )
        if table is None:
            parameters.append(parameter)
            continue
        tables[parameter.name] = table
        parameters += [
            parameter.replace(name=row.name, annotation=Annotated[row.kind, row.option], default=None)
            for row in table.rows
        ]

    @wraps(verb)
    def run(**given: Any) -> None:
        typed = {row.name: given.pop(row.name) for table in tables.values() for row in table.rows}
        verb(**given, **{name: table.build(typed) for name, table in tables.items()})

    run.__signature__ = inspect.Signature(parameters)
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.tables = tuple(tables.values())
    return run


class Verb(TyperCommand):
    """A command that asks the library for its options' defaults when it is run or explained, and not before."""

    def get_params(self, ctx: Any) -> Any:
        """Its parameters."""
        defaults = {
            name: value for table in getattr(self.callback, "tables", ()) for name, value in table.typed().items()
        }
        for parameter in self.params:
            parameter.default = defaults.get(parameter.name, parameter.default)
        return super().get_params(ctx)
