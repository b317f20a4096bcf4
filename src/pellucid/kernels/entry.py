"""What each kernel takes, declared once: the types that its C++ is called with and a check of every call follow."""

import ctypes
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from pellucid.kernels import dispatch
from pellucid.kernels.compiler import library

Value = Tensor | int | float | tuple[int, ...] | None


@dataclass(frozen=True)
class Argument:
    """How an argument gets to C++.

    Attributes:
        ctype: as what it is passed.
        as_c: what is passed, by the value and the image that decides; raises TypeError if the value will not do.
    """

    ctype: type
    as_c: Callable[[Value, Tensor], object]


@dataclass(frozen=True)
class Derived:
    """A number that the image which decides tells, so that no caller can contradict it; Triton needs none."""

    of: Callable[[Tensor], int]


class Entry:
    """A function of an operation: ``NAME_DIRECTION`` in its ``op.cpp``, or DIRECTION in its ``triton.py``.

    Args:
        source: name of the operation.
        direction: of the function.
        on: the argument, an image, whose device and type decide; all other images and arrays must fit it.
        arguments: all, as C++ takes them, but for the number of threads, which comes last.
    """

    def __init__(self, source: str, direction: str, *, on: str, **arguments: Argument | Derived) -> None:
        self.source, self.direction, self.on = source, direction, on
        self.arguments = arguments
        self.types = [a.ctype if isinstance(a, Argument) else ctypes.c_int64 for a in arguments.values()]
        self._given = {name for name, argument in arguments.items() if isinstance(argument, Argument)}

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
            raise TypeError(f"{self.source}_{self.direction}: {self.on} must be an image, not {image!r:.60}")
        passed: list[object] = []
        for name, argument in self.arguments.items():
            try:
                passed.append(
                    argument.of(image) if isinstance(argument, Derived) else argument.as_c(given[name], image)
                )
            except TypeError as error:
                raise TypeError(f"{self.source}_{self.direction}: {name} must be {error}") from None
        return passed


def run(name: str, entry: Entry, given: Mapping[str, Value]) -> None:
    """Call the kernel of the operation NAME for the device of the deciding image, on PyTorch's number of threads."""
    passed, image = entry.as_c(given), given[entry.on]
    assert isinstance(image, Tensor)
    if dispatch.on_gpu(image):
        with torch.cuda.device_of(image):
            getattr(importlib.import_module(f"pellucid.kernels.{name}.triton"), entry.direction)(**given)
        return
    function = getattr(library(name), f"{name}_{entry.direction}")
    if function.argtypes is None:
        function.argtypes, function.restype = [*entry.types, ctypes.c_int64], None
    function(*passed, torch.get_num_threads())


def _integers(value: Value, image: Tensor, *, count: int) -> object:
    if not isinstance(value, tuple) or len(value) != count:
        raise TypeError(f"{count} integers, not {value!r:.60}")
    return (ctypes.c_int32 * count)(*value)


def _integer(value: Value, image: Tensor) -> object:
    if not isinstance(value, int):
        raise TypeError(f"an integer, not {value!r:.60}")
    return value


def _number(value: Value, image: Tensor) -> object:
    if not isinstance(value, float):
        raise TypeError(f"a number, not {value!r:.60}")
    return value


def _floats(value: Value, image: Tensor, *, optional: bool) -> object:
    if value is None and optional:
        return None
    if not isinstance(value, Tensor):
        raise TypeError(f"a tensor, not {value!r:.60}")
    if value.dtype != torch.float32 or value.device != image.device or not value.is_contiguous():
        raise TypeError(f"contiguous, float32 and on {image.device}, not {_described(value)}")
    return value.data_ptr()


def _image(value: Value, image: Tensor, *, optional: bool) -> object:
    if value is None and optional:
        return None
    if not isinstance(value, Tensor) or value.ndim != 4:
        raise TypeError("an image (B, C, H, W)")
    known = value.dtype in dispatch.DTYPES.get("cuda" if dispatch.on_gpu(value) else value.device.type, ())
    fits = value.dtype == image.dtype and value.device == image.device
    if not (known and fits and value.is_contiguous(memory_format=torch.channels_last)):
        raise TypeError(f"channels-last, {image.dtype} and on {image.device}, not {_described(value)}")
    return value.data_ptr()


def _described(tensor: Tensor) -> str:
    return f"{tensor.dtype} on {tensor.device}, shape {tuple(tensor.shape)}, strides {tensor.stride()}"


def integers(count: int) -> Argument:
    """A tuple of so many, such as a shape."""
    return Argument(ctypes.c_void_p, partial(_integers, count=count))


INTEGER = Argument(ctypes.c_int64, _integer)
NUMBER = Argument(ctypes.c_float, _number)
FLOATS = Argument(ctypes.c_void_p, partial(_floats, optional=False))
OPTIONAL_FLOATS = Argument(ctypes.c_void_p, partial(_floats, optional=True))
IMAGE = Argument(ctypes.c_void_p, partial(_image, optional=False))
OPTIONAL_IMAGE = Argument(ctypes.c_void_p, partial(_image, optional=True))
HALF = Derived(lambda image: image.dtype == torch.bfloat16)


def products(narrowest: int) -> Derived:
    """How linear layers may multiply: see ``dispatch.numbers``."""
    return Derived(partial(dispatch.numbers, narrowest=narrowest))
