"""The weights that come with pellucid: what there is, and where."""

from pellucid.zoo.catalog import TASKS, ModelInfo, find_model, list_models

__all__ = ["TASKS", "ModelInfo", "find_model", "list_models"]
