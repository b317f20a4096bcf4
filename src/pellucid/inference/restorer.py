"""Photo → Photo: the one pipeline that every entrance uses."""

import logging
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pellucid.errors import ConfigError, ImageError, RestoreError
from pellucid.imaging import Frame, Photo, shrink, to_depth, to_float
from pellucid.imaging.rows import Rows, Streamed, rows_at_once
from pellucid.inference.backends import FILES, Forward, autocast, eager, open_backend, resolve, resolve_precision
from pellucid.inference.guard import HARMLESS, Box, Watch, find_problem
from pellucid.inference.overview import carry_over
from pellucid.inference.shown import Shown
from pellucid.inference.tilesize import SMALLEST_TILE, TileSizes
from pellucid.inference.tiling import Axis, Span, cover
from pellucid.kernels.dispatch import has_kernels
from pellucid.models.detector import Detector, pooled_features

log = logging.getLogger(__name__)

VIEWS, VIEW = 6, 256  # how many, and of how many pixels a side, a picture is judged by
GOLDEN_RATIO = (5**0.5 - 1) / 2  # its multiples, modulo 1, are spread evenly

OnTile = Callable[[int], None]


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
    _device: torch.device = field(init=False, repr=False)
    _forward: Forward = field(init=False, repr=False)
    _too_large: float = field(init=False, repr=False, default=math.inf)  # the side of a tile that memory did not bear

    def __post_init__(self) -> None:
        self.backend = resolve(self.backend)
        on_cpu = self.device == "auto" and self.backend in FILES
        self._device = _find_device("cpu" if on_cpu else self.device)
        self.network = self.network.to(self._device).eval()
        loss = getattr(self.network, "bf16_loss", None)
        self.precision = resolve_precision(self.precision, self.backend, self._device, loss)
        if isinstance(self.tile, str) and self.tile not in ("auto", "off"):
            raise ConfigError(f"tile must be auto, off or a number of pixels, not '{self.tile}'")
        if isinstance(self.tile, int) and self.tile < SMALLEST_TILE:
            raise ConfigError(f"tile must be at least {SMALLEST_TILE}, not {self.tile}")
        if self.overlap < 0:
            raise ConfigError(f"overlap must be at least 0, not {self.overlap}")
        self._forward = open_backend(self.backend, self.network, self._device, self.precision)

    def restore(self, photo: Photo, *, on_tile: OnTile | None = None, watch: Watch | None = None) -> Photo:
        """Restore a photograph in memory; as ``restore_frame``, but done when it returns."""
        return Photo.of(self.restore_frame(photo, on_tile=on_tile, watch=watch))

    def restore_frame(
        self, frame: Frame, *, share: float | None = None, on_tile: OnTile | None = None, watch: Watch | None = None
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
        watch = watch or Watch()
        shown = Shown(frame)
        share = self.judge(shown, watch) if share is None else share
        if not share:
            if on_tile:
                on_tile(frame.height * frame.width)
            return frame

        def rows() -> Iterator[NDArray[Any]]:
            for top, restored in self.restore_rows(shown, share=share, on_tile=on_tile, watch=watch):
                yield shown.back(restored, slice(top, top + len(restored)))

        shape = (frame.height, frame.width, frame.samples.shape[2])
        return frame.with_samples(Streamed(shape, frame.dtype, rows))

    def restore_array(
        self, pixels: NDArray[Any], *, on_tile: OnTile | None = None, watch: Watch | None = None
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
        watch = watch or Watch()
        share = self.judge(pixels, watch)
        if not share:
            if on_tile:
                on_tile(pixels.shape[0] * pixels.shape[1])
            return pixels.copy()
        restored = np.empty((*pixels.shape[:2], self._channels_out(pixels.shape[2])), pixels.dtype)
        for top, rows in self.restore_rows(pixels, share=share, on_tile=on_tile, watch=watch):
            restored[top : top + len(rows)] = rows
        return restored

    def judge(self, pixels: Rows, watch: Watch) -> float:
        """How much of what the network would change in a picture (H, W, C) is to be changed, in [0, 1].

        Nothing where the weights can tell that it has nothing to mend, a part where they are not sure
        (``Detector.share``), all where they cannot tell or ``keep_clean`` is off. The watch is told.

        Raises:
            RestoreError: a picture of other channels than the network takes.
        """
        return self._judge((pixels,), watch)

    def judge_together(self, frames: Iterable[Frame], watch: Watch) -> float:
        """The same of several frames that are seen one after the other: one answer for all, or they would flicker."""
        return self._judge(map(Shown, frames), watch)

    def _judge(self, pictures: Iterable[Rows], watch: Watch) -> float:
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
        if self.working_side:
            yield shrink(pixels, self.working_side)
        else:
            yield from (pixels[box] for box in view_boxes(*pixels.shape[:2]))

    @torch.inference_mode()
    def features(self, pixels: NDArray[Any]) -> Tensor:
        """What ``detector`` weighs, (1, F), of one view (H, W, C) of a picture."""
        with autocast(self._device, self.precision):
            return pooled_features(self.network, self._images(pixels[None])).cpu()

    def restore_rows(
        self, pixels: Rows, *, share: float = 1.0, on_tile: OnTile | None = None, watch: Watch | None = None
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
        watch = watch or Watch()
        if side is not None and max(pixels.shape[:2]) > side:
            bands = self._by_overview(pixels, side, on_tile, watch, share)
        else:
            bands = self._bands(pixels, on_tile, watch, share)
        for top, band in bands:
            yield top, _from_float(band, pixels.dtype)
        watch.conclude()

    def _by_overview(
        self, pixels: Rows, side: int, on_tile: OnTile | None, watch: Watch, share: float
    ) -> Iterator[tuple[int, NDArray[Any]]]:
        """Rows of the result, top to bottom, as float32, by what the network does to a small copy."""
        before = shrink(pixels, side)
        after = np.concatenate([band for _, band in self._bands(before, None, watch, share)])
        for top, strip in carry_over(pixels, before, after):
            yield top, strip
            if on_tile:
                on_tile(strip.shape[0] * strip.shape[1])

    def _bands(
        self, pixels: Rows, on_tile: OnTile | None, watch: Watch | None, share: float = 1.0
    ) -> Iterator[tuple[int, NDArray[Any]]]:
        """Rows of the result as they are finished, top to bottom, as float32.

        Only one row of tiles is ever held as floats, so memory hardly grows with the image. Changes are blended and not
        results: where nothing changes, floats come back bit by bit. Without a ``watch``, tiles are taken as they come.
        """
        tile = self._tile_side(pixels.shape[:2])
        rows, columns = self._cover(pixels.shape[0], tile), self._cover(pixels.shape[1], tile)
        width, channels = pixels.shape[1], self._channels_out(pixels.shape[2])
        blends_changes = channels == pixels.shape[2]
        carried = np.zeros((0, width, channels), np.float32)  # what the next row of tiles still adds to
        for row, ((top, bottom), row_weight) in enumerate(zip(rows.spans, rows.weights, strict=True)):
            band = np.zeros((bottom - top, width, channels), np.float32)
            band[: len(carried)] = carried
            for group in _equally_long(columns.spans, self._batch_size(tile)):
                tiles = np.stack([pixels[top:bottom, slice(*columns.spans[i])] for i in group])
                results = self._restore_tiles(tiles)
                if watch:
                    boxes = [(columns.spans[i][0], top, columns.spans[i][1], bottom) for i in group]
                    results = self._guarded(tiles, results, boxes, watch)
                for i, before, restored in zip(group, tiles, results, strict=True):
                    weight = row_weight[:, None, None] * columns.weights[i][None, :, None]
                    change = share * (restored.numpy() - to_float(before)) if blends_changes else restored.numpy()
                    band[:, slice(*columns.spans[i])] += change * weight.numpy()
                    if on_tile:
                        on_tile(_new_pixels(rows, row) * _new_pixels(columns, i))
            finished = rows.spans[row + 1][0] - top if row + 1 < len(rows.spans) else len(band)
            for rows_done in rows_at_once(finished, width):
                place, done = top + rows_done.start, band[rows_done]
                yield place, done + to_float(pixels[place : place + len(done)]) if blends_changes else done
            carried = band[finished:]

    @property
    def runs_on(self) -> torch.device:
        """The device that ``device`` became."""
        return self._device

    @property
    def channels(self) -> int:
        """Channels of the images that the network takes."""
        return int(self._config.in_channels)

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

    @property
    def _config(self) -> Any:
        return self.network.config

    def _check_channels(self, pixels: Rows) -> None:
        grey_fits = pixels.shape[2] == 1 and self.channels == 3  # two views of a dual pixel are no colours
        if self.channels not in (1, pixels.shape[2]) and not grey_fits:
            raise RestoreError(f"this network takes images of {self.channels} channels, not {pixels.shape[2]}")

    def _channels_out(self, channels: int) -> int:
        """Channels of the result for an image of so many: another number only for dual-pixel networks."""
        return channels if 1 in (channels, self.channels) else int(self._config.out_channels)

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
        return self._sizes.side(size[1])

    def _batch_size(self, tile: int) -> int:
        return self._sizes.batch(tile)

    @property
    def _sizes(self) -> TileSizes:
        on_cpu = self._device.type == "cpu"
        fused = on_cpu and self.backend == "torch" and self.precision != "fp16" and has_kernels()
        weights = sum(parameter.nbytes for parameter in self.network.parameters())
        return TileSizes(config=self._config, device=self._device, weights=weights, fused=fused)

    def _restore_tiles(self, tiles: NDArray[Any]) -> Tensor:
        """Restore equally large tiles (N, H, W, C) → float32 on the CPU; when memory runs out, in smaller pieces."""
        side = max(tiles.shape[1:3])
        if side < self._too_large:
            try:
                return self._run(tiles, self._forward)
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not _is_out_of_memory(error):
                    raise
        # outside the handler, whose error would keep the failed pass's activations alive
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        if len(tiles) > 1:
            return torch.cat([self._restore_tiles(tile[None]) for tile in tiles])
        if side <= SMALLEST_TILE:
            height, width = tiles.shape[1:3]
            raise RestoreError(f"not enough memory for a tile of {width}x{height} pixels on {self._device}")
        if side < self._too_large:
            log.warning("out of memory on a tile of %d pixels: going on with smaller ones", side)
            self._too_large = side
        return self._in_pieces(tiles[0], self.precision)[None]

    def _in_pieces(self, tile: NDArray[Any], precision: str) -> Tensor:
        """Restore a tile (H, W, C) in overlapping pieces of half its side."""
        side = max(max(tile.shape[:2]) // 2, SMALLEST_TILE)
        smaller = Restorer(self.network, side, self.overlap, precision, self._device)
        return torch.from_numpy(np.concatenate([band for _, band in smaller._bands(to_float(tile), None, None)]))

    def _guarded(self, tiles: NDArray[Any], results: Tensor, boxes: list[Box], watch: Watch) -> list[Tensor]:
        """The results, with those replaced that cannot be believed."""
        watch.tiles += len(tiles)
        return [self._believable(*each, watch) for each in zip(tiles, results, boxes, strict=True)]

    def _believable(self, tile: NDArray[Any], result: Tensor, box: Box, watch: Watch) -> Tensor:
        """One tile's result (H, W, C), or what a second and a third attempt give, or the tile itself."""
        before = torch.from_numpy(to_float(tile))
        problem = find_problem(before, result)
        if problem is None:
            return result
        if problem in HARMLESS:
            watch.note(box, problem, "none")
            return result
        if (self.precision, self.backend) != ("fp32", "torch"):
            again = self._run(tile[None], eager(self.network, self._device, "fp32"))[0]
            if find_problem(before, again) in HARMLESS:
                watch.note(box, problem, "fp32")
                return again
        if max(tile.shape[:2]) > SMALLEST_TILE:
            again = self._in_pieces(tile, "fp32")
            if find_problem(before, again) in HARMLESS:
                watch.note(box, problem, "smaller")
                return again
        watch.note(box, problem, "input kept")
        return before[..., : result.shape[-1]]

    @torch.inference_mode()
    def _run(self, tiles: NDArray[Any], forward: Forward) -> Tensor:
        """One forward pass: (N, H, W, C) of any depth → float32 (N, H, W, C) on the CPU."""
        restored = forward(self._images(tiles)).float()
        count, _, _, channels = tiles.shape
        if self.channels == 1:
            restored = restored[:, 0].unflatten(0, (count, channels))
        elif channels == 1:
            restored = restored.mean(dim=1, keepdim=True)
        return restored.permute(0, 2, 3, 1).cpu()

    def _images(self, tiles: NDArray[Any]) -> Tensor:
        """(N, H, W, C) of any depth → (B, C, H, W) with the network's number of channels, on its device."""
        images = torch.from_numpy(to_float(tiles)).to(self._device).permute(0, 3, 1, 2)
        if self.channels == 1:
            return images.flatten(0, 1)[:, None]
        return images.expand(-1, self.channels, -1, -1) if images.shape[1] == 1 else images


def _whole(attribute: Any) -> int:
    """A network's attribute, which PyTorch's typing takes for a tensor or module."""
    return int(attribute)


def _equally_long(spans: tuple[Span, ...], most: int) -> Iterator[list[int]]:
    """Indices of neighbouring spans of equal length, in groups of at most ``most``."""
    for _, run in groupby(range(len(spans)), key=lambda i: spans[i][1] - spans[i][0]):
        while group := list(islice(run, most)):
            yield group


def _new_pixels(axis: Axis, index: int) -> int:
    """How many positions along an axis no later span will touch once this one is done."""
    start, stop = axis.spans[index]
    return (axis.spans[index + 1][0] if index + 1 < len(axis.spans) else stop) - start


def _find_device(device: str | torch.device) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
        torch.empty(1, device=found).item()
    except Exception as error:  # each kind of device has its own way of not being there
        raise ConfigError(f"device '{device}' cannot be used: {str(error).splitlines()[0][:100]}") from None
    return found


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return "can't allocate memory" in str(error)  # the CPU allocator raises a bare RuntimeError


def view_boxes(height: int, width: int) -> list[tuple[slice, slice]]:
    """Where to look to judge a picture of this size: rows and columns, from top to bottom, scattered over its width."""
    tall, wide = max(height - VIEW, 0), max(width - VIEW, 0)
    places = {(round(tall * (i + 0.5) / VIEWS), round(wide * ((0.5 + i * GOLDEN_RATIO) % 1))) for i in range(VIEWS)}
    return [(slice(top, top + VIEW), slice(left, left + VIEW)) for top, left in sorted(places)]


def _from_float(pixels: NDArray[np.float32], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Back to the depth the image came in: integers rounded and saturated, floats as they are."""
    return to_depth(pixels, dtype) if dtype.kind == "u" else pixels.astype(dtype)
