"""What each kernel takes, declared once: the types that its C++ is called with and a check of every call follow."""

import ctypes
import importlib
from collections.abc import Mapping

import torch
from torch import Tensor

from pellucid.kernels import dispatch
from pellucid.kernels.compiler import library

Value = Tensor | int | float | tuple[int, ...] | None

TYPES = {  # beside these a kind may be a count: so many int32, such as a shape
    "integer": ctypes.c_int64,
    "number": ctypes.c_float,
    "floats": ctypes.c_void_p,  # float32, contiguous
    "image": ctypes.c_void_p,  # (B, C, H, W), channels-last, of the type of the image that decides
    "half": ctypes.c_int64,  # whether that is of bfloat16: not given, so that no caller can contradict it
    "products": ctypes.c_int64,  # likewise, ``dispatch.numbers`` of it
}


class Entry:
    """A function of an operation: ``NAME_DIRECTION`` in its ``op.cpp``, or DIRECTION in its ``triton.py``.

    Args:
        source: name of the operation.
        direction: of the function.
        takes: each argument and its kind (``TYPES``), as C++ takes them, but for the number of threads, which comes
            last: "x:image bias:floats?"; with a question mark it may be None.
        on: the argument, an image, whose device and type decide; all other images and arrays must fit it.
        narrowest: channels from which on it pays to take floats apart, where there are products.
    """

    def __init__(self, source: str, direction: str, takes: str, *, on: str, narrowest: int = 0) -> None:
        self.source, self.direction, self.on, self.narrowest = source, direction, on, narrowest
        pairs = [argument.rstrip("?").split(":") for argument in takes.split()]
        self.kinds = {name: kind for name, kind in pairs}
        self.optional = {argument.split(":")[0] for argument in takes.split() if argument.endswith("?")}
        self.types = [*(TYPES.get(kind, ctypes.c_void_p) for kind in self.kinds.values()), ctypes.c_int64]
        self._given = {name for name, kind in pairs if kind not in ("half", "products")}

    def __call__(self, **given: Value) -> None:
        """Call it, with arguments by name.

        Raises:
            TypeError: an argument is missing, unknown, or not what the kernel reads.
        """
        if given.keys() != self._given:
            raise TypeError(f"{self.source}_{self.direction} takes {sorted(self._given)}, not {sorted(given)}")
        run(self.source, self, given)

    def as_c(self, given: Mapping[str, Value]) -> list[object]:
        """What is passed to C++."""
        image = given[self.on]
        if not isinstance(image, Tensor):
            raise self._error(self.on, image)
        return [self._passed(name, kind, given.get(name), image) for name, kind in self.kinds.items()]

    def _passed(self, name: str, kind: str, value: Value, image: Tensor) -> object:
        if kind == "half":
            return image.dtype == torch.bfloat16
        if kind == "products":
            return dispatch.numbers(image, self.narrowest)
        if value is None and name in self.optional:
            return None
        if isinstance(value, Tensor):
            if value.device == image.device and (_is_array(value) if kind == "floats" else _is_like(value, image)):
                return value.data_ptr()
        elif isinstance(value, tuple) and kind == str(len(value)):
            return (ctypes.c_int32 * len(value))(*value)
        elif (isinstance(value, int) and kind == "integer") or (isinstance(value, float) and kind == "number"):
            return value
        raise self._error(name, value)

    def _error(self, name: str, value: Value) -> TypeError:
        got = repr(value)
        if isinstance(value, Tensor):
            got = f"{value.dtype} {tuple(value.shape)} with strides {value.stride()} on {value.device}"
        return TypeError(f"{self.source}_{self.direction}: {name}, {self.kinds[name]} beside {self.on}, is {got}")


def _is_array(tensor: Tensor) -> bool:
    return tensor.dtype == torch.float32 and tensor.is_contiguous()


def _is_like(tensor: Tensor, image: Tensor) -> bool:
    fits = tensor.ndim == 4 and tensor.dtype == image.dtype and tensor.dtype in dispatch.DTYPES["cuda"]
    return fits and tensor.is_contiguous(memory_format=torch.channels_last)


def run(name: str, entry: Entry, given: Mapping[str, Value]) -> None:
    """Call the kernel of the operation NAME for the deciding image, on PyTorch's number of threads."""
    passed, image = entry.as_c(given), given[entry.on]
    if isinstance(image, Tensor) and dispatch.on_gpu(image):
        with torch.cuda.device_of(image):
            getattr(importlib.import_module(f"pellucid.kernels.{name}.triton"), entry.direction)(**given)
        return
    function = getattr(library(name), f"{name}_{entry.direction}")
    if function.argtypes is None:
        function.argtypes, function.restype = entry.types, None
    function(*passed, torch.get_num_threads())
