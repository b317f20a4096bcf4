"""How pixels are restored: every option and its default, once."""

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Self

from pellucid.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    import torch

SMALLEST_TILE = 64
BACKENDS = {
    "auto": "the one that is quickest as a rule: torch",
    "torch": "PyTorch, with kernels of ours",
    "compile": "PyTorch's compiler",
    "onnx": "ONNX Runtime",
    "openvino": "OpenVINO",
}
PRECISIONS = ("fp32", "high", "bf16", "fp16")


@dataclass(frozen=True, kw_only=True)
class RestoreOptions:
    """How pixels are restored.

    Attributes:
        tile: "auto" (by available memory), "off" (the whole image at once) or a side in pixels.
        overlap: how far neighbouring tiles overlap, in pixels; at most a third of a tile is used.
        precision: "fp32", "bf16" or "fp16"; of activations, the weights stay float32. "high" is fp32 whose products
            keep 16 bits, on CPUs with AMX. "auto" means the quickest of these that does no harm: bf16, where the
            device has it and the weights say that it costs them less than 0.02 dB, else "high" where PyTorch runs it on
            a CPU, else fp32.
        device: "auto" (a GPU if there is one), or a name that PyTorch knows.
        keep_clean: give pictures back as they are where the weights can tell that nothing is there to mend, and change
            them less where they are not sure.
        backend: a name in ``BACKENDS``, for what runs the network.

    Raises:
        ConfigError: an option that has no such value.
    """

    tile: str | int = "auto"
    overlap: int = 64
    precision: str = "auto"
    device: "str | torch.device" = "auto"
    keep_clean: bool = True
    backend: str = "auto"

    def __post_init__(self) -> None:
        if isinstance(self.tile, str) and self.tile not in ("auto", "off"):
            raise ConfigError(f"`tile` must be auto, off or a number of pixels, not '{self.tile}'")
        if isinstance(self.tile, int) and self.tile < SMALLEST_TILE:
            raise ConfigError(f"`tile` must be at least {SMALLEST_TILE}, not {self.tile}")
        if self.overlap < 0:
            raise ConfigError(f"`overlap` must be at least 0, not {self.overlap}")
        if self.precision not in (*PRECISIONS, "auto"):
            raise ConfigError(f"`precision` must be one of auto, {', '.join(PRECISIONS)}, not '{self.precision}'")
        if self.backend not in BACKENDS:
            raise ConfigError(f"`backend` cannot be '{self.backend}'.{did_you_mean(self.backend, BACKENDS)}")

    def but(self, **overrides: Any) -> Self:
        """The same with other values of some options.

        Raises:
            ConfigError: there is no such option, or it has no such value.
        """
        known = [each.name for each in fields(self)]
        for name in overrides:
            if name not in known:
                raise ConfigError(f"there is no option '{name}'.{did_you_mean(name, known)}")
        return replace(self, **overrides)
