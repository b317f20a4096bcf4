"""Photo → Photo: the one pipeline that every entrance uses."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pellucid.errors import ImageError
from pellucid.imaging import Frame, Photo, shrink, to_depth
from pellucid.imaging.rows import Rows, Streamed
from pellucid.inference.detection import judge
from pellucid.inference.guard import TileWatch
from pellucid.inference.options import RestoreOptions
from pellucid.inference.overview import carry_over
from pellucid.inference.rescue import Rescue
from pellucid.inference.runner import Runner
from pellucid.inference.shown import Shown
from pellucid.inference.tiled import OnTile
from pellucid.models.detector import Detector


class Restorer:
    """A network and how to run it on images of any size.

    Attributes:
        network: in eval mode, on the device: the one that was given, or where that is not so, its twin.
        options: as they were given, but that ``precision`` and ``backend`` are what "auto" became.
    """

    def __init__(self, network: nn.Module, options: RestoreOptions | None = None, **overrides: Any) -> None:
        """Prepare to run a network.

        Args:
            network: from ``load_network``; is left as it is, in whatever mode and on whatever device.
            options: how to run it; None is as ``RestoreOptions`` has it.
            overrides: other values of some of the options, such as ``tile=512``.

        Raises:
            ConfigError: an option that there is not, or that has no such value, or a device that is not there.
            MissingExtraError, ExportError: the backend's library is not installed, or cannot run this network.
        """
        options = (options or RestoreOptions()).but(**overrides)
        self._runner = Runner.of(network, options)
        self._rescue = Rescue(self._runner, options.overlap)
        self.network = self._runner.network
        self.options = replace(options, precision=self._runner.precision, backend=self._runner.backend)

    def restore(self, photo: Photo, *, on_tile: OnTile | None = None, watch: TileWatch | None = None) -> Photo:
        """Restore a photograph in memory; as ``restore_frame``, but done when it returns."""
        return Photo.of(self.restore_frame(photo, on_tile=on_tile, watch=watch))

    def restore_frame(
        self, frame: Frame, *, share: float | None = None, on_tile: OnTile | None = None, watch: TileWatch | None = None
    ) -> Frame:
        """Restore a picture of any size; all but its pixels is carried over, transparency untouched.

        It is judged at once (see ``judge``), and restored as the result's rows are asked for, top to bottom, with
        memory for a few rows of tiles only; asking for the last one ends the ``watch``.

        The network sees what ``Shown`` shows of it. A tile whose result cannot be believed (``guard.find_problem``) is
        computed again in float32, then in smaller pieces; what then is still wrong stays as it was in the input, with a
        warning.

        Args:
            frame: of any depth; its rows are asked for again and again, from top to bottom.
            share: how much of the changes to make, where that was judged already.
            on_tile: called with the number of pixels finished, as they are.
            watch: is told about the tiles.

        Returns:
            The same frame where nothing is to be mended.

        Raises:
            ImageError: floats that are infinite or undefined.
            RestoreError: memory does not suffice for the smallest tile, or no tile at all could be restored; now, or
                when rows are asked for.
        """
        watch, shown = watch or TileWatch(), Shown(frame)
        share = self.judge([shown], watch) if share is None else share
        if not share:
            shown.check_white()
            if on_tile:
                on_tile(frame.height * frame.width)
            return frame

        def rows() -> Iterator[NDArray[Any]]:
            for top, restored in self._restored(shown, share, on_tile, watch):
                yield shown.back(restored, slice(top, top + len(restored)))
            shown.check_white()

        shape = (frame.height, frame.width, frame.samples.shape[2])
        return frame.with_samples(Streamed(shape, frame.dtype, rows))

    def restore_array(
        self, pixels: NDArray[Any], *, on_tile: OnTile | None = None, watch: TileWatch | None = None
    ) -> NDArray[Any]:
        """Restore (H, W, C) pixels; gives back the same shape (but one view of a dual-pixel pair) and dtype.

        Integers are rounded and saturate; floats, nominally in [0, 1], are neither clipped nor rounded.
        A network for colour sees grey as R = G = B; one for grey sees each channel by itself.

        Raises:
            ImageError: floats that are infinite or undefined.
            RestoreError: as ``restore_frame``.
        """
        if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
            raise ImageError("the picture holds infinite or undefined values")
        watch = watch or TileWatch()
        share = self.judge([pixels], watch)
        if not share:
            if on_tile:
                on_tile(pixels.shape[0] * pixels.shape[1])
            return pixels.copy()
        restored = np.empty((*pixels.shape[:2], self._runner.channels_out(pixels.shape[2])), pixels.dtype)
        for top, rows in self._restored(pixels, share, on_tile, watch):
            restored[top : top + len(rows)] = rows
        return restored

    def _restored(
        self, pixels: Rows, share: float, on_tile: OnTile | None, watch: TileWatch
    ) -> Iterator[tuple[int, NDArray[Any]]]:
        """The number of a row of the result and the rows (h, W, C) from there on, top to bottom."""
        side, size = self.working_side, pixels.shape[:2]
        if side is not None and max(size) > side:
            before = shrink(pixels, side)
            tile = self._tile_side(before.shape[:2])
            after = np.concatenate([band for _, band in self._rescue.bands(before, tile, watch=watch, share=share)])
            restored = carry_over(pixels, before, after, on_tile)
        else:
            restored = self._rescue.bands(pixels, self._tile_side(size), watch=watch, share=share, on_tile=on_tile)
        for top, band in restored:
            # integers are rounded and saturate, floats stay as they are
            yield top, to_depth(band, pixels.dtype) if pixels.dtype.kind == "u" else band.astype(pixels.dtype)
        watch.conclude()

    def _tile_side(self, size: tuple[int, ...]) -> int:
        """The longest side of tiles for an image of (height, width)."""
        if isinstance(self.options.tile, int):
            return self.options.tile
        if self.options.tile == "off" or (self.working_side is not None and max(size) <= self.working_side):
            return max(size)
        return self._runner.sizes.side(size[1])

    def judge(self, pictures: Iterable[Rows], watch: TileWatch) -> float:
        """How much of what the network would change in pictures (H, W, C) is to be changed, in [0, 1]: one answer.

        Nothing where the weights can tell that it has nothing to mend, a part where they are not sure
        (``Detector.share``), all where they cannot tell or ``keep_clean`` is off. The watch is told.

        Raises:
            RestoreError: a picture of other channels than the network takes.
        """
        detector = self.detector if self.options.keep_clean else None
        return judge(pictures, self._runner, detector, self.working_side, watch)

    def features(self, view: NDArray[Any]) -> Tensor:
        """What ``detector`` weighs, (1, F), of one of ``detection.views`` (H, W, C) of a picture."""
        return self._runner.features(view)

    @property
    def runs_on(self) -> torch.device:
        """The device that ``options.device`` means."""
        return self._runner.device

    @property
    def channels(self) -> int:
        """Channels of the images that the network takes."""
        return self._runner.channels

    @property
    def working_side(self) -> int | None:
        """The longer side of the copy on which the network works, where it needs to see the whole picture at once.

        Weights say so themselves. Larger pictures have its effect carried over to them (``inference.overview``).
        """
        return getattr(self.network, "working_side", None)

    @property
    def detector(self) -> Detector | None:
        """What tells degraded pictures from others, where the weights have one."""
        return getattr(self.network, "detector", None)
