"""What weights there are: one entry each, found by name or by task."""

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from pellucid.errors import ModelError, did_you_mean
from pellucid.zoo.tasks import DEFAULT, TASKS, Task

WEIGHTS = Path(__file__).parent / "weights"
WEIGHTS_SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt")


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """Weights that come with pellucid.

    Attributes:
        name: ``arch-size-task``.
        task: one of ``TASKS``.
        parameters: how many numbers were learned.
        gmacs: billions of multiply-adds for a picture of 256x256.
        licence: of the weights.
        scores: what was measured → PSNR in dB; the model card has the protocol and the command.
        inputs: the same of what was restored.
    """

    name: str
    task: str
    parameters: int
    gmacs: float
    licence: str
    scores: dict[str, float]
    inputs: dict[str, float]

    @property
    def path(self) -> Path:
        """The safetensors file inside the package."""
        return WEIGHTS / f"{self.name}.safetensors"


def _bundled(task: str, scores: dict[str, tuple[float, float]]) -> ModelInfo:
    """All are one network: a small AST (``training.recipes.ours.NETWORK``); scores are of its input and its output."""
    return ModelInfo(
        name=f"ast-s-{task}",
        task=task,
        parameters=2_179_703,
        gmacs=4.61,
        licence="Apache-2.0",
        scores={name: after for name, (_, after) in scores.items()},
        inputs={name: before for name, (before, _) in scores.items()},
    )


CATALOG: tuple[ModelInfo, ...] = (
    _bundled("denoise", {"CBSD68 σ15": (24.84, 33.44), "CBSD68 σ25": (20.54, 30.85), "CBSD68 σ50": (15.00, 27.61)}),
    _bundled("denoise-real", {"CC15": (33.41, 36.52)}),
    _bundled("derain", {"Rain100L, Y": (26.90, 31.79)}),
    _bundled("raindrop", {"AGAN, 4 pairs": (17.56, 19.12)}),
    _bundled("dehaze", {"SOTS, 4 pairs": (15.77, 20.42), "REVIDE, 4 pairs": (14.83, 17.25)}),
    _bundled("deblur", {"slight shake": (30.01, 32.21)}),
)


def list_models(task: str | None = None) -> list[ModelInfo]:
    """The bundled models, or those for one task.

    Raises:
        ModelError: no such task.
    """
    if task is not None:
        _task(task)
    return [model for model in CATALOG if task in (None, model.task)]


def find_model(model: str | PathLike[str] | None = None, task: str | None = None) -> Path:
    """The weights file for a model's name, a path, or a task.

    Args:
        model: a name from ``list_models`` or the path of a checkpoint.
        task: one of ``TASKS``; ``DEFAULT`` if neither is given.

    Raises:
        ModelError: no such model or task, both at once, or no weights for the task yet.
    """
    if model is not None and task is not None:
        raise ModelError("Give a model or a task, not both: a model knows its task")
    names = {info.name: info.path for info in CATALOG}
    if model is None:
        row = _task(task or DEFAULT)
        if row.weights is None:
            raise ModelError(
                f"No weights for '{task}' come with pellucid yet: name a checkpoint as `model`, "
                f"or make some with pellucid train {row.recipe or task}"
            )
        return names[row.weights]
    if str(model) in names:
        return names[str(model)]
    path = Path(model)
    if path.exists() or path.suffix.lower() in WEIGHTS_SUFFIXES:
        return path
    raise ModelError(f"Unknown model '{model}'.{did_you_mean(str(model), names)}")


def _task(name: str) -> Task:
    if name not in TASKS:
        raise ModelError(f"Unknown task '{name}'.{did_you_mean(name, TASKS)}")
    return TASKS[name]
