"""Degradations by name, and several one after the other, each with a probability."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from pellucid.degrade.base import Degradation, chance
from pellucid.degrade.families import Families
from pellucid.degrade.registry import ANY, DEGRADATIONS, Kind
from pellucid.errors import ConfigError, did_you_mean


@dataclass(frozen=True, kw_only=True)
class Compose:
    """Degradations one after the other.

    Attributes:
        steps: each with the probability that it happens to an image, in [0, 1].
    """

    steps: tuple[tuple[Degradation, float], ...]

    def sample(self, rng: torch.Generator) -> tuple[Any, ...]:
        """Draw one image's parameters: one for each step, None where it does not happen."""
        return tuple(step.sample(rng) if chance(rng, probability) else None for step, probability in self.steps)

    def apply(self, image: Tensor, params: Sequence[tuple[Any, ...]]) -> Tensor:
        """Degrade (B, C, H, W) in [0, 1] by each step in turn; gives back the same shape."""
        for index, (step, _) in enumerate(self.steps):
            chosen = [i for i, drawn in enumerate(params) if drawn[index] is not None]
            if len(chosen) == len(params):
                image = step.apply(image, [drawn[index] for drawn in params])
            elif chosen:
                image = image.clone()
                image[chosen] = step.apply(image[chosen], [params[i][index] for i in chosen])
        return image


def compose(options: Mapping[str, Mapping[str, Any]]) -> Compose:
    """Degradations by name, as a config writes them.

    Args:
        options: for example ``{"rain": {"level": "heavy"}, "jpeg": {"probability": 0.3, "quality": [30, 90]}}``: name
            → fields of its class, and ``level`` (a preset to start from), ``family`` (another renderer, or "any") and
            ``probability`` (1 if not given). They happen in this order.

    Raises:
        ConfigError: an unknown name, level or field, or a value that cannot be.
    """
    return Compose(steps=tuple(_step(name, given) for name, given in options.items()))


def create_degradation(
    name: str, *, level: str | None = None, family: str | None = None, **overrides: Any
) -> Degradation:
    """One degradation by name.

    Args:
        name: a key of ``DEGRADATIONS``.
        level: one of its presets; None: all the strengths that training wants.
        family: another renderer of it, by name; "any": for each image one of all that are trained on, drawn at random,
            and of overrides only ``scale``; None: its own.
        **overrides: fields of its class; ranges are pairs (low, high).

    Raises:
        ConfigError: an unknown name, level or field, or a value that cannot be.
    """
    if name not in DEGRADATIONS:
        raise ConfigError(f"Unknown degradation '{name}'.{did_you_mean(name, DEGRADATIONS)}")
    kind = DEGRADATIONS[name]
    if level is not None and level not in tuple(kind.levels):
        hint = did_you_mean(str(level), kind.levels) if kind.levels else " It has none."
        raise ConfigError(f"Unknown level '{level}' of {name}.{hint}")
    if family is not None and level is not None:
        raise ConfigError(f"{name}: levels are of its own renderer; take away 'level' or 'family'")
    if family == ANY:
        return _any_family(name, kind, **overrides)
    base: Any = _renderer(name, kind, family) if level is None else kind.levels[level]
    known = [field.name for field in fields(base)]
    for key in overrides:
        if key not in known:
            raise ConfigError(f"{name} has no option '{key}'.{did_you_mean(key, known)}")
    values = {key: _like(getattr(base, key), value, f"{name}.{key}") for key, value in overrides.items()}
    try:
        degradation: Degradation = replace(base, **values)
        degradation.sample(torch.Generator())
    except (ArithmeticError, RuntimeError, ValueError) as error:
        raise ConfigError(f"{name}: {error}") from None
    return degradation


def has_lengths(name: str, family: str | None = None) -> bool:
    """Whether a degradation is measured in pixels, so that larger pictures want a larger ``scale``."""
    if family == ANY:
        return True
    kind = DEGRADATIONS.get(name)
    known = kind and (kind.families.get(family) if family else kind.renderer)
    return known is not None and any(field.name == "scale" for field in fields(known))  # pyright: ignore[reportArgumentType]


def _renderer(name: str, kind: Kind, family: str | None) -> Degradation:
    if family is None:
        return kind.renderer
    if family not in kind.families:
        hint = did_you_mean(str(family), kind.families) if kind.families else " It has none."
        raise ConfigError(f"Unknown family '{family}' of {name}.{hint}")
    return kind.families[family]


def _any_family(name: str, kind: Kind, scale: float | None = None, **overrides: Any) -> Families:
    """All renderers that networks are trained on, each as often as the next."""
    if overrides:
        raise ConfigError(f"{name}: '{next(iter(overrides))}' is an option of one family, not of any")
    others = {key: one for key, one in kind.families.items() if key != kind.unseen}
    families = Families(members={key: (one, 1.0) for key, one in {name: kind.renderer, **others}.items()})
    return families if scale is None else families.scaled(scale)


def _like(default: Any, value: Any, name: str) -> Any:
    """The value, if it is of the kind of the default: a number, or a range of numbers (low, high)."""
    if isinstance(default, tuple):
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise ConfigError(f"{name} must be a range, [low, high], not {value!r}")
        low, high = (_number(default[0], end, name) for end in value)
        if low > high:
            raise ConfigError(f"{name} must be a range, [low, high], not {value!r}")
        return low, high
    return _number(default, value, name)


def _number(default: float, value: Any, name: str) -> float:
    kind = int if isinstance(default, int) else int | float
    if not isinstance(value, kind) or isinstance(value, bool) or not math.isfinite(value) or value < 0 <= default:
        what = "a whole number" if kind is int else "a finite number"
        raise ConfigError(f"{name} must be {what}{'' if default < 0 else ' of at least 0'}, not {value!r}")
    return value


def _step(name: str, given: Mapping[str, Any]) -> tuple[Degradation, float]:
    if not isinstance(given, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]  # it comes from a file
        raise ConfigError(f"{name} must have options, {{}} for none, not {given!r}")
    options = dict(given)
    probability = _number(1.0, options.pop("probability", 1.0), f"{name}.probability")
    if probability > 1:
        raise ConfigError(f"{name}.probability must be at most 1, not {probability}")
    if "name" in options:
        raise ConfigError(f"{name} has no option 'name'")
    return create_degradation(name, **options), float(probability)
