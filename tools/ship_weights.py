"""From a run's weights to those in the package: stored in fp16, and compared with what was trained.

    python -m tools.ship_weights runs/derain/model.safetensors ast-s-derain --photo PHOTO

Prints how far a photo restored with the stored weights is from the same photo restored with the trained ones.
A detector that the weights have (tools/fit_detector.py) is kept.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from pellucid.checkpoints import build_network, load_network, open_checkpoint, save_network
from pellucid.imaging import read_photo
from pellucid.inference import Restorer
from pellucid.zoo.catalog import WEIGHTS

KEPT = ("iterations", "hours", "working_side", "bf16_loss")  # of what a run says of its weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, help="what a run made")
    parser.add_argument("name", help="of the bundled model")
    parser.add_argument("--working-side", help="of pictures to work on, if not that of the training photos")
    parser.add_argument("--bf16-loss", help="in dB, as benchmarks' precision measures it")
    parser.add_argument("--photo", type=Path, required=True, help="to compare with")
    arguments = parser.parse_args()

    checkpoint = open_checkpoint(arguments.weights)
    trained = build_network(checkpoint)
    notes = {key: checkpoint.metadata[key] for key in KEPT if key in checkpoint.metadata}
    if arguments.working_side:
        notes["working_side"] = arguments.working_side
    if arguments.bf16_loss:
        notes["bf16_loss"] = arguments.bf16_loss
    path = WEIGHTS / f"{arguments.name}.safetensors"
    task = checkpoint.metadata["task"]
    save_network(trained, path, task=task, licence="Apache-2.0", notes=notes, dtype=torch.float16)

    pixels = read_photo(arguments.photo).pixels.astype(np.float32) / 255
    before, after = (
        Restorer(network, precision="fp32", keep_clean=False).restore_array(pixels)
        for network in (trained, load_network(path))
    )
    error = np.sqrt(np.square(before - after).mean()) * 255
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, {notes}; {error:.3f} grey levels RMS from what was trained")


if __name__ == "__main__":
    main()
