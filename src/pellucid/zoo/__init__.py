"""The weights that come with pellucid: what there is, and where."""

from pellucid.zoo.catalog import ModelInfo, find_model, list_models
from pellucid.zoo.tasks import TASKS, Task

__all__ = ["TASKS", "ModelInfo", "Task", "find_model", "list_models"]
