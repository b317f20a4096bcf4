"""``python -m benchmarks NAME [arguments]``, from the folder that holds it; without a name, what there is."""

import ast
import importlib
import sys
from pathlib import Path

from pellucid.errors import did_you_mean

HERE = Path(__file__).parent


def find() -> dict[str, tuple[str, str]]:
    """Name → its module and what it measures: of every file in the rooms that has a ``main``."""
    found: dict[str, tuple[str, str]] = {}
    for path in sorted(HERE.glob("*/*.py")):
        tree = ast.parse(path.read_text())
        if any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body):
            about = (ast.get_docstring(tree) or "").partition("\n")[0]
            found[path.stem] = f"benchmarks.{path.parent.name}.{path.stem}", about
    return found


def main() -> int | None:
    found, (name, *rest) = find(), sys.argv[1:] or [""]
    if name in ("", "-h", "--help"):
        print(f"{__doc__}\n\n{'question':<12}{'name':<16}what it measures")
        for each, (module, about) in found.items():
            print(f"{module.split('.')[1]:<12}{each:<16}{about}")
        return 0
    if name not in found:
        print(f"There is no benchmark '{name}'.{did_you_mean(name, found)}", file=sys.stderr)
        return 2
    module, _ = found[name]
    sys.argv = [f"python -m benchmarks {name}", *rest]
    return importlib.import_module(module).main()


if __name__ == "__main__":
    sys.exit(main())
