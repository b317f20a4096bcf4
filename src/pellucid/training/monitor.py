"""What a run leaves to look at: ``log.csv``, and TensorBoard's files where it is installed."""

import csv
import io
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from pellucid.atomic import replacing
from pellucid.training.validation import Shown

log = logging.getLogger(__name__)


class Monitor:
    """Writes on the first process, and nowhere on the others."""

    def __init__(self, out: Path, *, step: int, enabled: bool) -> None:
        """Go on after ``step``: rows and points of later steps, of a run that was killed, are forgotten."""
        self._csv = out / "log.csv"
        self._enabled = enabled
        self._board: Any = _tensorboard(out, step) if enabled else None
        if enabled and self._csv.exists():
            self._keep_rows_until(step)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._board:
            self._board.close()

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Plot values in TensorBoard."""
        if self._board:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def pictures(self, step: int, shown: Sequence[Shown]) -> None:
        """Show degraded | restored | clean in TensorBoard."""
        if self._board:
            for index, picture in enumerate(shown):
                row = np.concatenate([picture.degraded, picture.restored, picture.clean], axis=1)
                self._board.add_image(f"{picture.label}/{index}", row, step, dataformats="HWC")
            self._board.flush()

    def row(self, values: Mapping[str, str]) -> None:
        """Append a row to ``log.csv``; new columns begin a new header."""
        if not self._enabled:
            return
        header = self._header()
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if header != list(values):
            writer.writerow(values)
        writer.writerow(values.values())
        with self._csv.open("a") as file:
            file.write(text.getvalue())

    def _header(self) -> list[str]:
        if not self._csv.exists():
            return []
        headers = [line for line in self._csv.read_text().splitlines() if line.startswith("step,")]
        return headers[-1].split(",") if headers else []

    def _keep_rows_until(self, step: int) -> None:
        lines = self._csv.read_text().splitlines()
        kept = [line for line in lines if not line.split(",")[0].isdecimal() or int(line.split(",")[0]) <= step]
        with replacing(self._csv) as temporary:
            temporary.write_text("".join(f"{line}\n" for line in kept))


def _tensorboard(out: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter  # pyright: ignore[reportPrivateImportUsage]
    except ImportError:
        log.info('no TensorBoard files are written: pip install "pellucid[train]"')
        return None
    return SummaryWriter(str(out / "tensorboard"), purge_step=step + 1)
