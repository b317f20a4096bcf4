"""Which picture belongs to which: the folders in which restoration's data sets come, by one table and one rule."""

import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pellucid.errors import ConfigError
from pellucid.imaging import looks_like_picture, walk

_log = logging.getLogger(__name__)

_Layout = tuple[str, ...]  # folders of one parent: the input's, or both views', then the target's
_Row = tuple[str, ...]  # pictures in the same order, by their paths below the root
_Group = list[tuple[str, list[str]]]  # and here folders, each with the paths of its pictures below it

_TARGETS_OF = {
    "input": ("target", "gt", "groundtruth"),
    "input_crops": ("target_crops",),  # Restormer's cut GoPro and SIDD
    "inputc": ("target",),  # Restormer's DPDD
    "inputc_crops": ("target_crops",),
    "lq": ("gt", "hq"),
    "source": ("target",),  # DPDD, in train_c
    "rain": ("norain", "gt", "clean"),  # Rain100
    "rainy": ("gt", "clean"),
    "rainy_image": ("ground_truth",),  # Rain1400
    "data": ("gt",),  # AGAN-Data
    "hazy": ("gt", "clear", "clean"),  # RESIDE's SOTS, Dense-Haze
    "haze": ("gt", "clear", "clean"),
    "noisy": ("clean", "gt"),
    "blur": ("sharp", "gt"),  # GoPro, RealBlur: in the folder of each scene
    "blur_gamma": ("sharp",),
}
_ONE_VIEW: tuple[_Layout, ...] = tuple((given, target) for given, targets in _TARGETS_OF.items() for target in targets)
_TWO_VIEWS: tuple[_Layout, ...] = (
    ("inputl_crops", "inputr_crops", "target_crops"),
    ("inputl", "inputr", "target"),
    *((f"{part}_l/source", f"{part}_r/source", f"{part}_c/target") for part in ("train", "val", "test")),
)
# DPDD took a scene's two photographs one after the other and kept the camera's numbers: their names differ
_NUMBERED = "source", "target"

_INPUT_WORDS = frozenset({"input", "lq", "rain", "rainy", "haze", "hazy", "noise", "noisy", "blur", "blurry", "source"})
_TARGET_WORDS = frozenset({"target", "gt", "hq", "norain", "clean", "clear", "sharp", "groundtruth", "ground", "truth"})
_ROLE_WORDS = _INPUT_WORDS | _TARGET_WORDS | {"l", "r"}
_SEPARATORS = re.compile(r"[_\-. /]+")

_NAMED = 3  # names in an error message


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A degraded picture and what it should have been.

    Attributes:
        inputs: one view, or the left and the right one of a dual-pixel sensor.
        target: the clean picture.
    """

    inputs: tuple[Path, ...]
    target: Path


def find_pairs(root: Path, *, dual_pixel: bool = False) -> list[Pair]:
    """Every pair below a folder, or named in a list, in the order of the inputs' paths. No picture is opened.

    Three descriptions are understood, and looked for in this order, at any depth:

    1. Folders of inputs and of targets side by side (``input/`` and ``target/``, ``blur/`` and ``sharp/``, ...), of
       any case, their pictures at any depth. Pictures belong together whose path below these folders is the same;
       or else whose name is, but for its ending and words such as "rain", "clean" or "gt"; or else whose target's
       name is how the input's begins (``0001_0.8_0.2.jpg`` and ``0001.png``), which is how several inputs share a
       target. ``source/`` and ``target/`` of equally many pictures are paired in order where their names differ.
    2. Inputs and targets in one folder, told apart by such words (``1_NOISY.png``, ``1_GT.png``).
    3. One text file with a line ``input target`` (or ``left right target``) for each pair, relative to it.

    Args:
        root: a folder, or the text file.
        dual_pixel: the inputs are two views, left and right.

    Raises:
        ConfigError: no such folder, nothing in it that is understood, or pictures that have no counterpart.
    """
    if root.is_file():
        return _from_list(root, views=1 + dual_pixel)
    if not root.is_dir():
        raise ConfigError(f"{root}: no such folder or list of pairs")
    pictures, lists = _scan(root)
    layouts = _TWO_VIEWS if dual_pixel else _ONE_VIEW
    groups = _folders_apart(pictures, layouts) or ([] if dual_pixel else _folders_mixed(pictures))
    rows = [row for group in groups for row in _matched(root, group)]
    if rows:
        return _pairs(root, sorted(rows))
    if len(lists) == 1:
        return _from_list(root / lists[0], views=1 + dual_pixel)
    if lists:
        raise ConfigError(f"{root}: holds {len(lists)} lists ({_few(lists)}); name the one that says the pairs")
    if dual_pixel:
        known = ", ".join(" + ".join(layout) for layout in _TWO_VIEWS)
    else:
        known = ", ".join(f"{given} + {' or '.join(targets)}" for given, targets in _TARGETS_OF.items())
    raise ConfigError(f"{root}: holds no pairs; name their folders after a layout ({known}) or write a list of pairs")


def _scan(root: Path) -> tuple[dict[str, list[str]], list[str]]:
    """The pictures in each folder by its path below the root, parents first, and the text files; no hidden ones."""
    pictures: dict[str, list[str]] = {}
    lists: list[str] = []
    # data sets are often links to another disk
    for path, _, names in walk(root, links=True):
        folder = path.relative_to(root).as_posix()
        pictures[folder] = [name for name in names if looks_like_picture(name)]
        lists += [_join(folder, name) for name in names if _is_list(name)]
    return pictures, lists


def _is_list(name: str) -> bool:
    return name.lower().endswith(".txt") and not name.lower().startswith("readme")


def _folders_apart(pictures: Mapping[str, list[str]], layouts: Sequence[_Layout]) -> list[_Group]:
    """Wherever the folders of a layout lie side by side, with all that lies below them."""
    spelled = {folder.lower(): folder for folder in pictures}
    content: dict[str, list[str]] = {}
    found: list[_Layout] = []
    for folder, names in pictures.items():
        side = next((above for above in _upward(folder) if above in content), None)
        if side is not None:
            content[side] += [_join(folder[len(side) + 1 :] or ".", name) for name in names]
            continue
        for layout in layouts:
            sides = tuple(spelled.get(_join(folder.lower(), name), "") for name in layout)
            if all(sides) and content.keys().isdisjoint(sides):
                content |= {side: [] for side in sides}
                found.append(sides)
    return [[(side, content[side]) for side in sides] for sides in found]


def _folders_mixed(pictures: Mapping[str, list[str]]) -> list[_Group]:
    """Wherever one folder holds pictures whose names say that they are inputs, and targets."""
    groups: list[_Group] = []
    for folder, names in pictures.items():
        targets = [name for name in names if _says(name, _TARGET_WORDS)]
        inputs = [name for name in names if not _says(name, _TARGET_WORDS)]
        if targets and any(_says(name, _INPUT_WORDS) for name in inputs):
            groups.append([(folder, inputs), (folder, targets)])
    return groups


def _matched(root: Path, group: _Group) -> list[_Row]:
    """The pictures of a group that belong together.

    Raises:
        ConfigError: a picture has no counterpart.
    """
    (folder, names), *others = group
    matches: list[dict[str, str]] = []
    for (other, partners), role in zip(others, ("right view", "target")[-len(others) :], strict=True):
        where = f"{root / os.path.commonpath([folder, other])}/"
        match = match_names(names, partners)
        numbered = folder.lower().endswith(_NUMBERED[0]) and other.lower().endswith(_NUMBERED[1])
        if numbered and len(match) < len(names) == len(partners):
            _log.warning("%s: the names of inputs and targets differ, so they are paired in order", where)
            match = dict(zip(names, partners, strict=True))
        used = set(match.values())
        lone = [name for name in names if name not in match]
        lone_partners = [name for name in partners if name not in used]
        if lone or lone_partners:
            raise ConfigError(f"{where}: {_complaint(lone, lone_partners, role)}")
        matches.append({name: _join(other, partner) for name, partner in match.items()})
    return [(_join(folder, name), *(match[name] for match in matches)) for name in names]


def match_names(inputs: Sequence[str], targets: Sequence[str]) -> dict[str, str]:
    """Each input's target, both by their paths, by the rule of ``find_pairs``; an input that has none is left out."""
    same = set(inputs).intersection(targets)
    match = {name: name for name in inputs if name in same}
    free = {_key(target): target for target in targets if target not in same}
    for name in inputs:
        if name not in match and (target := free.pop(_key(name), None)):
            match[name] = target
    # what is left may have several inputs, whose names go on where its own ends
    for name in inputs:
        if name not in match:
            folder, words = _key(name)
            beginnings = ((folder, words[:length]) for length in range(len(words) - 1, 0, -1))
            if target := next((free[key] for key in beginnings if key in free), None):
                match[name] = target
    return match


def _key(path: str) -> tuple[str, tuple[str, ...]]:
    """What input and target have in common: the folder, and the name without the words that tell them apart."""
    folder, _, name = path.rpartition("/")
    return folder.lower(), tuple(word for word in _words(name) if word not in _ROLE_WORDS)


def _words(name: str) -> list[str]:
    return [word for word in _SEPARATORS.split(name.rpartition(".")[0].lower()) if word]


def _says(name: str, words: frozenset[str]) -> bool:
    return not words.isdisjoint(_words(name))


def _complaint(inputs: list[str], partners: list[str], role: str) -> str:
    said: list[str] = []
    for lone, this, that in ((inputs, "input", role), (partners, role, "input")):
        if lone:
            verb = "" if said else "has " if len(lone) == 1 else "have "
            said.append(f"{len(lone)} {this}{'s' * (len(lone) > 1)} {verb}no {that} ({_few(lone)})")
    return " and ".join(said)


def _from_list(file: Path, *, views: int) -> list[Pair]:
    form = "'left right target'" if views == 2 else "'input target'"
    try:
        lines = file.read_text(encoding="utf-8-sig", errors="surrogateescape").splitlines()
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})") from None
    rows: list[_Row] = []
    for number, line in enumerate(lines, 1):
        # a leading "/" is the list's own folder, wherever it lies now
        row = tuple(path.removeprefix("./").lstrip("/") for path in line.split())
        if not row:
            continue
        if len(row) != views + 1:
            raise ConfigError(
                f"{file}, line {number}: must be {form}, with no spaces in the paths, not '{line.strip()}'"
            )
        if _says(row[0], _TARGET_WORDS) and _says(row[-1], _INPUT_WORDS) and not _says(row[-1], _TARGET_WORDS):
            raise ConfigError(f"{file}, line {number}: must be {form}, but {row[0]} looks like the target")
        rows.append(row)
    if not rows:
        raise ConfigError(f"{file}: names no pairs; write {form} on a line for each")
    if absent := _absent(file.parent, rows):
        raise ConfigError(f"{file}: names {len(absent)} pictures that are not there ({_few(absent)})")
    return _pairs(file.parent, sorted(rows))


def _absent(root: Path, rows: Iterable[_Row]) -> list[str]:
    paths = {path for row in rows for path in row}
    present: set[str] = set()
    # folders are few and pictures many, on a disk that may be far away
    for folder in {path[: path.rfind("/") + 1] for path in paths}:
        if (root / folder).is_dir():
            present.update(folder + entry.name for entry in os.scandir(root / folder))
    return sorted(paths - present)


def _pairs(root: Path, rows: Iterable[_Row]) -> list[Pair]:
    paths = {path: root / path for row in rows for path in row}  # one object for a target that many inputs share
    return [Pair(inputs=tuple(paths[path] for path in row[:-1]), target=paths[row[-1]]) for row in rows]


def _upward(folder: str) -> Iterator[str]:
    while folder:
        yield folder
        folder = folder.rpartition("/")[0]


def _join(folder: str, name: str) -> str:
    return name if folder == "." else f"{folder}/{name}"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
