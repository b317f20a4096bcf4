"""Photo → Photo: the one pipeline that every entrance uses."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pellucid.errors import ConfigError, ImageError, RestoreError
from pellucid.imaging import Frame, Photo, shrink, to_depth, to_float
from pellucid.imaging.rows import Rows, Streamed
from pellucid.inference.backends import FILES, autocast, resolve, resolve_precision
from pellucid.inference.detection import views
from pellucid.inference.guard import Box, TileWatch
from pellucid.inference.overview import carry_over
from pellucid.inference.rescue import Rescue
from pellucid.inference.runner import Runner, find_device
from pellucid.inference.shown import Shown
from pellucid.inference.tiled import OnTile, bands
from pellucid.inference.tilesize import SMALLEST_TILE
from pellucid.inference.tiling import Axis, cover
from pellucid.models.detector import Detector, pooled_features


@dataclass
class Restorer:
    """A network and how to run it on images of any size.

    Attributes:
        network: from ``load_network``, in eval mode.
        tile: "auto" (by available memory), "off" (the whole image at once) or a side in pixels.
        overlap: how far neighbouring tiles overlap, in pixels; at most a third of a tile is used.
        precision: "fp32", "bf16" or "fp16"; of activations, the weights stay float32. "high" is fp32 whose products
            keep 16 bits, on CPUs with AMX. "auto" becomes the quickest of these that does no harm: bf16, where the
            device has it and the weights say that it costs them less than 0.02 dB, else "high" where PyTorch runs it on
            a CPU, else fp32.
        device: "auto" (a GPU if there is one), or a name that PyTorch knows.
        keep_clean: give pictures back as they are where the weights can tell that nothing is there to mend, and change
            them less where they are not sure.
        backend: a name in ``backends.BACKENDS``, for what runs the network; "auto" becomes the one it means.

    Raises:
        ConfigError: an option that has no such value, or a device that is not there.
        MissingExtraError, ExportError: the backend's library is not installed, or cannot run this network.
    """

    network: nn.Module
    tile: str | int = "auto"
    overlap: int = 64
    precision: str = "auto"
    device: str | torch.device = "auto"
    keep_clean: bool = True
    backend: str = "torch"
    _runner: Runner = field(init=False, repr=False)
    _rescue: Rescue = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.backend = resolve(self.backend)
        on_cpu = self.device == "auto" and self.backend in FILES
        device = find_device("cpu" if on_cpu else self.device)
        self.network = self.network.to(device).eval()
        loss = getattr(self.network, "bf16_loss", None)
        self.precision = resolve_precision(self.precision, self.backend, device, loss)
        if isinstance(self.tile, str) and self.tile not in ("auto", "off"):
            raise ConfigError(f"tile must be auto, off or a number of pixels, not '{self.tile}'")
        if isinstance(self.tile, int) and self.tile < SMALLEST_TILE:
            raise ConfigError(f"tile must be at least {SMALLEST_TILE}, not {self.tile}")
        if self.overlap < 0:
            raise ConfigError(f"overlap must be at least 0, not {self.overlap}")
        self._runner = Runner(self.network, device, self.precision, self.backend)
        self._rescue = Rescue(self._runner, self._in_pieces)

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
            share: how much of the changes to make, where that was judged already (``judge_together``).
            on_tile: called with the number of pixels finished, as they are.
            watch: is told about the tiles.

        Returns:
            The same frame where nothing is to be mended.

        Raises:
            ImageError: floats that are infinite or undefined.
            RestoreError: memory does not suffice for the smallest tile, or no tile at all could be restored; now, or
                when rows are asked for.
        """
        watch = watch or TileWatch()
        shown = Shown(frame)
        share = self.judge(shown, watch) if share is None else share
        if not share:
            shown.check_white()
            if on_tile:
                on_tile(frame.height * frame.width)
            return frame

        def rows() -> Iterator[NDArray[Any]]:
            for top, restored in self.restore_rows(shown, share=share, on_tile=on_tile, watch=watch):
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
            RestoreError: as ``restore``.
        """
        if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
            raise ImageError("the picture holds infinite or undefined values")
        watch = watch or TileWatch()
        share = self.judge(pixels, watch)
        if not share:
            if on_tile:
                on_tile(pixels.shape[0] * pixels.shape[1])
            return pixels.copy()
        restored = np.empty((*pixels.shape[:2], self._runner.channels_out(pixels.shape[2])), pixels.dtype)
        for top, rows in self.restore_rows(pixels, share=share, on_tile=on_tile, watch=watch):
            restored[top : top + len(rows)] = rows
        return restored

    def judge(self, pixels: Rows, watch: TileWatch) -> float:
        """How much of what the network would change in a picture (H, W, C) is to be changed, in [0, 1].

        Nothing where the weights can tell that it has nothing to mend, a part where they are not sure
        (``Detector.share``), all where they cannot tell or ``keep_clean`` is off. The watch is told.

        Raises:
            RestoreError: a picture of other channels than the network takes.
        """
        return self._judge((pixels,), watch)

    def judge_together(self, frames: Iterable[Frame], watch: TileWatch) -> float:
        """The same of several frames that are seen one after the other: one answer for all, or they would flicker."""
        return self._judge(map(Shown, frames), watch)

    def _judge(self, pictures: Iterable[Rows], watch: TileWatch) -> float:
        features: list[Tensor] = []
        for pixels in pictures:
            self._check_channels(pixels)
            if not self.keep_clean or self.detector is None:
                return 1.0
            features += [self.features(view) for view in self.views(pixels)]
        assert self.detector is not None
        share = self.detector.share(self.detector.evidence(torch.cat(features)))
        watch.judge(share)
        return share

    def views(self, pixels: Rows) -> Iterator[NDArray[Any]]:
        """What a picture is judged by: the small copy that the network works on, or a few parts, from top to bottom."""
        return views(pixels, self.working_side)

    @torch.inference_mode()
    def features(self, pixels: NDArray[Any]) -> Tensor:
        """What ``detector`` weighs, (1, F), of one view (H, W, C) of a picture."""
        with autocast(self.runs_on, self.precision):
            return pooled_features(self.network, self._runner.images(pixels[None])).cpu()

    def restore_rows(
        self, pixels: Rows, *, share: float = 1.0, on_tile: OnTile | None = None, watch: TileWatch | None = None
    ) -> Iterator[tuple[int, NDArray[Any]]]:
        """As ``restore_array``, of a picture that need not be in memory, a few rows at a time, clean or not.

        Args:
            pixels: an array, or what can be asked for parts of one, row after row, again and again.
            share: how much of the changes to make, as ``judge`` says.
            on_tile, watch: as for ``restore``.

        Yields:
            The number of the first row, and the rows from there on, (H, W, C).
        """
        self._check_channels(pixels)
        side = self.working_side
        watch = watch or TileWatch()
        if side is not None and max(pixels.shape[:2]) > side:
            restored = self._by_overview(pixels, side, on_tile, watch, share)
        else:
            restored = self._bands(pixels, on_tile, watch, share)
        for top, band in restored:
            # integers are rounded and saturate, floats stay as they are
            yield top, to_depth(band, pixels.dtype) if pixels.dtype.kind == "u" else band.astype(pixels.dtype)
        watch.conclude()

    def _by_overview(
        self, pixels: Rows, side: int, on_tile: OnTile | None, watch: TileWatch, share: float
    ) -> Iterator[tuple[int, NDArray[Any]]]:
        """Rows of the result, top to bottom, as float32, by what the network does to a small copy."""
        before = shrink(pixels, side)
        after = np.concatenate([band for _, band in self._bands(before, None, watch, share)])
        for top, strip in carry_over(pixels, before, after):
            yield top, strip
            if on_tile:
                on_tile(strip.shape[0] * strip.shape[1])

    def _bands(
        self, pixels: Rows, on_tile: OnTile | None, watch: TileWatch | None, share: float = 1.0
    ) -> Iterator[tuple[int, NDArray[Any]]]:
        """Rows of the result, top to bottom, as float32; without a ``watch``, tiles are taken as they come."""
        tile = self._tile_side(pixels.shape[:2])

        def restore(tiles: NDArray[Any], boxes: list[Box]) -> Iterable[Tensor]:
            results = self._rescue.restore(tiles)
            if watch is None:
                return results
            watch.tiles += len(tiles)
            return [self._rescue.believable(*each, watch) for each in zip(tiles, results, boxes, strict=True)]

        return bands(
            pixels,
            self._cover(pixels.shape[0], tile),
            self._cover(pixels.shape[1], tile),
            restore,
            channels=self._runner.channels_out(pixels.shape[2]),
            batch=self._runner.sizes.batch(tile),
            share=share,
            on_tile=on_tile,
        )

    def _in_pieces(self, tile: NDArray[Any], precision: str) -> Tensor:
        """Restore a tile (H, W, C) in overlapping pieces of half its side."""
        side = max(max(tile.shape[:2]) // 2, SMALLEST_TILE)
        smaller = Restorer(self.network, side, self.overlap, precision, self.runs_on)
        return torch.from_numpy(np.concatenate([band for _, band in smaller._bands(to_float(tile), None, None)]))

    @property
    def runs_on(self) -> torch.device:
        """The device that ``device`` became."""
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

    def _check_channels(self, pixels: Rows) -> None:
        grey_fits = pixels.shape[2] == 1 and self.channels == 3  # two views of a dual pixel are no colours
        if self.channels not in (1, pixels.shape[2]) and not grey_fits:
            raise RestoreError(f"this network takes images of {self.channels} channels, not {pixels.shape[2]}")

    def _cover(self, size: int, tile: int) -> Axis:
        stride = _whole(self.network.stride)
        overlap = min(self.overlap, tile // 3 // stride * stride)
        alignment = _whole(self.network.alignment)
        align = alignment if tile >= alignment + overlap else stride
        return cover(size, tile=tile, overlap=overlap, align=align)

    def _tile_side(self, size: tuple[int, ...]) -> int:
        """The longest side of tiles for an image of (height, width)."""
        if isinstance(self.tile, int):
            return self.tile
        if self.tile == "off" or (self.working_side is not None and max(size) <= self.working_side):
            return max(size)
        return self._runner.sizes.side(size[1])


def _whole(attribute: Any) -> int:
    """A network's attribute, which PyTorch's typing takes for a tensor or module."""
    return int(attribute)
