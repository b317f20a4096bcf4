"""What weights there are: one entry each, found by name or by task."""

from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

from pellucid.errors import ModelError, did_you_mean

WEIGHTS = Path(__file__).parent / "weights"
WEIGHTS_SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt")

TASKS = {
    "denoise": "Gaussian noise of unknown strength",
    "denoise-real": "noise of real cameras",
    "derain": "rain streaks",
    "raindrop": "drops on the lens",
    "dehaze": "haze and fog",
    "deblur": "motion blur",
    "defocus": "out-of-focus blur",
    "any": "several of these at once",
}


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
    """

    name: str
    task: str
    parameters: int
    gmacs: float
    licence: str
    scores: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def path(self) -> Path:
        """The safetensors file inside the package."""
        return WEIGHTS / f"{self.name}.safetensors"


def _bundled(task: str, scores: dict[str, float]) -> ModelInfo:
    """All are one network: a small AST (``training.recipes.ours.NETWORK``)."""
    name = f"ast-s-{task}"
    return ModelInfo(name=name, task=task, parameters=2_179_703, gmacs=4.61, licence="Apache-2.0", scores=scores)


CATALOG: tuple[ModelInfo, ...] = (
    _bundled("denoise", {"CBSD68 σ15": 33.44, "CBSD68 σ25": 30.85, "CBSD68 σ50": 27.61}),
    _bundled("denoise-real", {"CC15": 36.52}),
    _bundled("derain", {"Rain100L, Y": 31.79}),
    _bundled("raindrop", {"AGAN, 4 pairs": 19.12}),
    _bundled("dehaze", {"SOTS, 4 pairs": 20.42, "REVIDE, 4 pairs": 17.25}),
    _bundled("deblur", {"slight shake": 32.21}),
)


def list_models(task: str | None = None) -> list[ModelInfo]:
    """The bundled models, or those for one task.

    Raises:
        ModelError: no such task.
    """
    if task is not None and task not in TASKS:
        raise ModelError(f"Unknown task '{task}'.{did_you_mean(task, TASKS)}")
    return [model for model in CATALOG if task in (None, model.task)]


def find_model(model: str | PathLike[str] | None = None, task: str | None = None) -> Path:
    """The weights file for a model's name, a path, or a task (whose first model is its default).

    Args:
        model: a name from ``list_models`` or the path of a checkpoint.
        task: one of ``TASKS``; "denoise" if neither is given.

    Raises:
        ModelError: no such model or task, both at once, or no weights for the task yet.
    """
    if model is not None and task is not None:
        raise ModelError("Give a model or a task, not both: a model knows its task")
    if model is None:
        found = list_models(task or "denoise")
        if not found:
            raise ModelError(f"No weights for '{task}' come with pellucid yet: name a checkpoint as `model`")
        return found[0].path
    names = {info.name: info.path for info in CATALOG}
    if str(model) in names:
        return names[str(model)]
    path = Path(model)
    if path.exists() or path.suffix.lower() in WEIGHTS_SUFFIXES:
        return path
    raise ModelError(f"Unknown model '{model}'.{did_you_mean(str(model), names)}")
