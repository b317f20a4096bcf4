"""Processes, devices and precision: Lightning Fabric, set up by what torchrun says."""

import logging
import os
from typing import Any

import torch
from torch import nn

from pellucid.blocks.transformer import Stage
from pellucid.errors import ConfigError, MissingExtraError
from pellucid.inference.backends.choice import has_bf16
from pellucid.memory import keep_freed_memory
from pellucid.training.config import TrainConfig

FABRIC_PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def launch(config: TrainConfig) -> Any:
    """A Fabric whose processes have met: one process, or as many as torchrun started, on one node or many.

    Raises:
        MissingExtraError: Lightning Fabric is not installed.
        ConfigError: a precision or strategy that this machine or launch cannot have.
    """
    try:
        from lightning_fabric import Fabric
    except ImportError:
        raise MissingExtraError("Training", "train") from None
    if config.threads:
        torch.set_num_threads(config.threads)
    keep_freed_memory()
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    world = int(os.environ.get("WORLD_SIZE", 1))  # torchrun's
    here = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    fabric = Fabric(
        devices=here, num_nodes=world // here, strategy=_strategy(config, world), precision=_precision(config.precision)
    )
    fabric.launch()
    if not fabric.is_global_zero:
        logging.getLogger("pellucid").setLevel(logging.ERROR)  # one voice is enough
    return fabric


def _precision(name: str) -> Any:
    if name == "fp16" and not torch.cuda.is_available():
        raise ConfigError("precision fp16 needs a GPU; use bf16 or fp32")
    if name == "auto":
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        name = "bf16" if has_bf16(device) else "fp32"
    return FABRIC_PRECISIONS[name]


def _strategy(config: TrainConfig, world: int) -> Any:
    if world == 1:
        if config.strategy == "fsdp":
            raise ConfigError("strategy fsdp shares a network between processes: start several with torchrun")
        return "auto"
    if config.strategy != "fsdp":
        from lightning_fabric.strategies.ddp import DDPStrategy

        return DDPStrategy(broadcast_buffers=False)  # ours are constants
    from lightning_fabric.strategies.model_parallel import ModelParallelStrategy

    return ModelParallelStrategy(_shard, data_parallel_size=world, tensor_parallel_size=1)


def _shard(network: nn.Module, mesh: Any) -> nn.Module:
    """Split parameters, gradients and optimiser state over processes, block by block (FSDP2)."""
    from torch.distributed.fsdp import fully_shard

    network.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]  # it takes no other
    for module in network.modules():
        if isinstance(module, Stage):
            for block in module:
                fully_shard(block, mesh=mesh["data_parallel"])
    fully_shard(network, mesh=mesh["data_parallel"])
    return network
