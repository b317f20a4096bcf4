"""Digests of what pellucid computes, to show that a change of the code changed no result.

    python -m tools.digests > before.json
    (change the code)
    python -m tools.digests --against before.json

They hold for one machine: another CPU adds in another order. Restored are two photos that scikit-image has and one
that is made of numbers, by every bundled model, whole and in tiles, in every precision that the CPU has; and a small
network of each kind of attention is trained for five steps. Exit code 1 if a digest differs.
"""

import argparse
import hashlib
import json
import logging
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skimage import data
from torch import Tensor

import pellucid
from pellucid.degrade import DEGRADATIONS, compose
from pellucid.models.ast.choices import ATTENTIONS, FEEDFORWARDS

PRECISIONS = ("fp32", "high", "bf16")
AST = {"embed_dim": 32, "depths": (1,) * 8 + (2,)}
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    **{f"ast {kind}": ("ast-t", {**AST, "attention": kind}) for kind in ATTENTIONS},
    **{f"ast {kind}": ("ast-t", {**AST, "embed_dim": 48, "feedforward": kind}) for kind in FEEDFORWARDS},
    "astv2": ("astv2-s", {"dim": 48, "num_blocks": (1, 1, 2), "num_refinement_blocks": 1}),
    "restormer": ("restormer", {"dim": 16, "num_blocks": (1, 1, 1, 2), "num_refinement_blocks": 1}),
}


def digest(*arrays: NDArray | Tensor) -> str:
    """Of shapes, types and numbers."""
    found = hashlib.sha256()
    for array in arrays:
        numbers = array.detach().contiguous().numpy() if isinstance(array, Tensor) else np.ascontiguousarray(array)
        found.update(f"{numbers.dtype} {numbers.shape}".encode())
        found.update(numbers.tobytes())
    return found.hexdigest()[:16]


def pictures() -> dict[str, NDArray]:
    """Name → (H, W, C): 8 bits, grey of 16 bits, and floats."""
    rng = np.random.default_rng(0)
    return {
        "cat": data.chelsea()[:201, :163],
        "coins": (data.coins()[:140, :190, None].astype(np.uint16) * 257),
        "floats": rng.random((67, 85, 3), np.float32),
    }


def restored() -> Iterator[tuple[str, str]]:
    """Every bundled model on every picture."""
    from pellucid.inference import Restorer

    for model in pellucid.list_models():
        for precision in PRECISIONS:
            for name, pixels in pictures().items():
                for tile in ("off", 96):
                    restorer = Restorer(
                        pellucid.load_network(model.path),
                        tile=tile,
                        precision=precision,
                        device="cpu",
                        keep_clean=False,
                    )
                    yield f"restore {model.name} {precision} {name} {tile}", digest(restorer.restore_array(pixels))


def trained() -> Iterator[tuple[str, str]]:
    """Five steps of AdamW on rain, and the gradients of the last."""
    for name, (architecture, overrides) in NETWORKS.items():
        torch.manual_seed(0)
        network = pellucid.create_network(architecture, **overrides).train()
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
        clean = torch.from_numpy(data.chelsea()[:96, :192].copy()).permute(2, 0, 1).float().div(255)
        batch = torch.stack(clean.split(96, dim=2))
        rain = compose({"rain": {}, "gaussian": {}})
        rng = torch.Generator().manual_seed(0)
        for _ in range(5):
            degraded = rain.apply(batch, [rain.sample(rng) for _ in batch])
            loss = (network(degraded) - batch).square().add(1e-6).sqrt().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
        yield f"train {name}", digest(*network.parameters(), *gradients, loss)


def degraded() -> Iterator[tuple[str, str]]:
    """Every degradation, and every family of it."""
    image = torch.from_numpy(data.chelsea()[:128, :128].copy()).permute(2, 0, 1).float().div(255)[None]
    for name, kind in DEGRADATIONS.items():
        for family in (None, *kind.families):
            one = compose({name: {"family": family} if family else {}})
            params = [one.sample(torch.Generator().manual_seed(1))]
            yield f"degrade {name} {family or ''}".strip(), digest(one.apply(image, params))


def files() -> Iterator[tuple[str, str]]:
    """What the command writes, byte for byte."""
    from PIL import Image

    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("png", "jpg", "tif", "webp"):
            source, target = Path(folder, f"cat.{suffix}"), Path(folder, f"out.{suffix}")
            Image.fromarray(data.chelsea()[:120, :160]).save(source)
            restorer = pellucid.Restorer(pellucid.load_network(pellucid.list_models("denoise")[0].path), device="cpu")
            for result in pellucid.restore_files([str(source)], str(target), restorer=restorer):
                assert result.error is None, result.error
            yield f"file {suffix}", hashlib.sha256(target.read_bytes()).hexdigest()[:16]


def main() -> None:
    """Print the digests as JSON, or compare them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, help="what an earlier run printed")
    arguments = parser.parse_args()
    logging.disable()
    torch.set_num_threads(1)
    found = dict([*restored(), *trained(), *degraded(), *files()])
    if arguments.against is None:
        print(json.dumps(found, indent=1))
        return
    before = json.loads(arguments.against.read_text())
    differ = [name for name in before.keys() | found.keys() if before.get(name) != found.get(name)]
    print("\n".join(sorted(f"{name}: {before.get(name)} -> {found.get(name)}" for name in differ)))
    print(f"{len(found)} digests, {len(differ)} differ")
    sys.exit(1 if differ else 0)


if __name__ == "__main__":
    main()
