"""What is declared of each kernel is what its C++ takes, and what does not fit is an error of Python's."""

import ctypes
import importlib
import re
from pathlib import Path

import pytest
import torch

from pellucid.kernels import compiler
from pellucid.kernels.entry import Entry

OPERATIONS = sorted(path.parent.name for path in compiler.HERE.glob("*/op.cpp"))
KINDS = {"int32_t*": "integers", "float*": "floats", "void*": "image", "int64_t": "integer", "float": "number"}


def declared(operation: str) -> dict[str, Entry]:
    module = importlib.import_module(f"pellucid.kernels.{operation}.op")
    return {f"{operation}_{e.direction}": e for e in vars(module).values() if isinstance(e, Entry)}


def exported(operation: str) -> dict[str, list[str]]:
    """Kinds of what each function of C++ takes, by its name."""
    source = Path(compiler.HERE / operation / "op.cpp").read_text().split('extern "C" {')[1]
    functions = re.findall(r"^void (\w+)\(([^)]*)\) \{", source, re.MULTILINE)
    return {
        name: [KINDS[re.sub(r"const |\s*\b\w+$", "", part.strip())] for part in arguments.split(",")]
        for name, arguments in functions
    }


@pytest.mark.parametrize("operation", OPERATIONS)
def test_declarations_are_those_of_the_source(operation: str) -> None:
    derived = {"half": "integer", "products": "integer"}
    given = {
        name: [*("integers" if kind.isdigit() else derived.get(kind, kind) for kind in e.kinds.values()), "integer"]
        for name, e in declared(operation).items()
    }
    assert given == exported(operation)
    assert given


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_argument_that_decides_is_an_image_that_must_be_there(operation: str) -> None:
    assert all(
        entry.kinds[entry.on] == "image" and entry.on not in entry.optional for entry in declared(operation).values()
    )


def example(**changed: object) -> list[object]:
    takes = "size:2 count:integer eps:number half:half weight:floats bias:floats? x:image out:image"
    entry = Entry("any", "forward", takes, on="x")
    image = torch.zeros(1, 4, 3, 3).contiguous(memory_format=torch.channels_last)
    given = {"size": (3, 3), "count": 4, "eps": 1e-5, "weight": torch.ones(4), "bias": None, "x": image, "out": image}
    return entry.as_c({**given, **changed})


def test_what_fits_is_passed_in_the_order_of_the_declaration() -> None:
    size, count, eps, half, weight, bias, x, out = example()
    assert isinstance(size, ctypes.Array) and list(size) == [3, 3]
    assert (count, eps, half, bias) == (4, 1e-5, False, None)
    assert isinstance(weight, int) and x == out


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"size": (1, 2, 3)}, r"size, 2 beside x, is \(1, 2, 3\)"),
        ({"count": 1.5}, "count, integer beside x, is 1.5"),
        ({"eps": 1}, "eps, number beside x, is 1"),
        ({"weight": None}, "weight, floats beside x, is None"),
        ({"weight": torch.ones(4).double()}, "weight, floats beside x, is torch.float64"),
        ({"bias": torch.ones(4, 3).t()}, r"bias, floats beside x, is .* with strides \(1, 3\)"),
        ({"bias": torch.ones(4, device="meta")}, "bias, floats beside x, is .* on meta"),
        ({"x": torch.ones(1, 4, 3, 3)}, "x, image beside x, is "),
        ({"x": None}, "x, image beside x, is None"),
        ({"out": torch.zeros(1, 1, 3, 3).bfloat16()}, "out, image beside x, is torch.bfloat16"),
        ({"out": torch.zeros(4)}, "out, image beside x, is "),
    ],
)
def test_what_does_not_fit_is_named(changed: dict[str, object], message: str) -> None:
    with pytest.raises(TypeError, match=f"any_forward: {message}"):
        example(**changed)


def test_arguments_are_called_by_their_names() -> None:
    with pytest.raises(TypeError, match=r"any_forward takes \['count', 'x'\], not \['x'\]"):
        Entry("any", "forward", "x:image count:integer", on="x")(x=torch.zeros(1, 1, 1, 1))
