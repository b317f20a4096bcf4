"""What is not changed is not touched: bytes, dates, names, and whatever appears beside it."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pellucid.errors import ConfigError, MissingExtraError
from pellucid.files import FileOptions, FileResult, restore_files
from pellucid.files.journal import NAME
from pellucid.imaging import Photo, Saving, read_photo
from pellucid.imaging.formats import FORMATS
from pellucid.inference import Restorer
from pellucid.models.detector import Detector, pooled_feature_count

from conftest import Run, deep, one_line, textured

DATE = 915_246_000_000_000_000
WRITTEN = [format for format in FORMATS if format.write is not None]


@pytest.fixture
def clean(tiny_ast) -> Restorer:
    """Finds nothing to mend, ever."""
    return judged(tiny_ast, -100.0)


@pytest.fixture
def sure(tiny_ast) -> Restorer:
    """Finds something to mend, always."""
    return judged(tiny_ast, 100.0)


def judged(network, evidence: float) -> Restorer:
    import copy

    import torch

    network = copy.deepcopy(network)
    network.detector = Detector(torch.zeros(pooled_feature_count(network)), torch.tensor(evidence))
    return Restorer(network, tile="off")


def restored(restorer: Restorer, source: Path, target: Path, **options: object) -> FileResult:
    (result,) = restore_files([source], target, restorer=restorer, options=FileOptions(**options))
    assert result.error is None, result.error
    return result


def kind(suffix: str, folder: Path) -> Path:
    """A photograph with what it may have beside its pixels, in a file of another program's where one writes it."""
    path = folder / f"a.{suffix}"
    image = Image.open(textured(folder / "plain.png"))
    if suffix in ("heic", "pam"):
        try:
            Photo(pixels=np.asarray(image)).save(path)
        except MissingExtraError as error:
            pytest.skip(str(error))
    elif suffix in ("gif", "webp"):
        frames = [image, image.rotate(5)]
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=90, loop=0)
    elif suffix == "tif":
        image.save(path, save_all=True, append_images=[image.rotate(5)], compression="tiff_lzw")
    else:
        image.save(path, **({"quality": 70, "comment": b"of another program"} if suffix == "jpg" else {}))
    os.utime(path, ns=(DATE, DATE))
    return path


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "gif", "avif", "heic", "bmp", "ppm", "pam"])
def test_a_file_in_which_nothing_is_mended_is_copied(tmp_path: Path, clean: Restorer, suffix: str) -> None:
    source = kind(suffix, tmp_path)
    result = restored(clean, source, tmp_path / f"b.{suffix}")
    assert (tmp_path / f"b.{suffix}").read_bytes() == source.read_bytes()
    assert (tmp_path / f"b.{suffix}").stat().st_mtime_ns == DATE
    assert all("cannot hold" not in warning for warning in result.warnings)


def test_it_is_not_copied_where_the_user_or_the_format_asks_for_more(
    tmp_path: Path, clean: Restorer, sure: Restorer
) -> None:
    source = kind("jpg", tmp_path)
    before = source.read_bytes()
    restored(sure, source, tmp_path / "mended.jpg")
    restored(clean, source, tmp_path / "coarse.jpg", saving=Saving(quality=30))
    restored(clean, source, tmp_path / "other.png")
    assert before not in [(tmp_path / name).read_bytes() for name in ("mended.jpg", "coarse.jpg", "other.png")]
    assert (tmp_path / "coarse.jpg").stat().st_size < len(before)
    np.testing.assert_array_equal(read_photo(tmp_path / "other.png").pixels, read_photo(source).pixels)


def test_a_turned_photo_is_turned_and_not_copied(tmp_path: Path, clean: Restorer) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(textured(tmp_path / "plain.png")).save(tmp_path / "a.jpg", exif=exif)
    restored(clean, tmp_path / "a.jpg", tmp_path / "b.jpg")
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.size == (80, 96)
        assert image.getexif()[0x0112] == 1


def test_large_pictures_are_copied_too(tmp_path: Path, clean: Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pellucid.imaging.picture.LARGE", 100)
    source = kind("jpg", tmp_path)
    restored(clean, source, tmp_path / "b.jpg")
    assert (tmp_path / "b.jpg").read_bytes() == source.read_bytes()


def test_an_animation_is_judged_as_one(tmp_path: Path, tiny_ast, monkeypatch: pytest.MonkeyPatch) -> None:
    source, restorer = kind("gif", tmp_path), judged(tiny_ast, 0.0)
    answers = iter([3.0])  # asked once, for all frames
    monkeypatch.setattr(Detector, "evidence", lambda self, features: next(answers))
    result = restored(restorer, source, tmp_path / "b.gif")
    assert [watch.share for watch in result.frames] == [1.0, 1.0]


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("format", WRITTEN, ids=lambda format: format.name)
def test_results_keep_their_date(tmp_path: Path, sure: Restorer, format: object, keep: bool) -> None:
    source = textured(tmp_path / "a.png")
    os.utime(source, ns=(DATE, DATE))
    try:
        format.require()
    except MissingExtraError as error:
        pytest.skip(str(error))
    target = tmp_path / f"b{format.suffixes[0]}"
    restored(sure, source, target, keep_date=keep)
    assert (target.stat().st_mtime_ns == DATE) == keep


@pytest.mark.parametrize("existing", ["refuse", "skip", "overwrite"])
def test_a_target_that_appears_meanwhile(
    tmp_path: Path, sure: Restorer, monkeypatch: pytest.MonkeyPatch, existing: str
) -> None:
    source, target = textured(tmp_path / "a.png"), tmp_path / "b.png"
    real = Restorer.restore_frame

    def slow(self: Restorer, *arguments: object, **options: object) -> object:
        target.write_text("somebody's")
        return real(self, *arguments, **options)

    monkeypatch.setattr(Restorer, "restore_frame", slow)
    (result,) = restore_files([source], target, restorer=sure, options=FileOptions(existing=existing))
    assert (target.read_bytes() == b"somebody's") == (existing != "overwrite")
    assert bool(result.error) == (existing == "refuse")
    assert result.skipped == (existing == "skip")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


@pytest.mark.parametrize("format", WRITTEN, ids=lambda format: format.name)
@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_names_that_are_no_utf8(tmp_path: Path, sure: Restorer, format: object) -> None:
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/d\xe9p\xf4t")
    try:
        format.require()
    except MissingExtraError as error:
        pytest.skip(str(error))
    Path(folder).mkdir()
    suffix = format.suffixes[0].encode()
    Photo(pixels=np.full((20, 24, 3), 90, np.uint8)).save(tmp_path / f"plain{format.suffixes[0]}")
    names = [b"\xe9t\xe9" + suffix, b"\x83e\x83X\x83g" + suffix]  # Latin-1 and Shift-JIS
    for name in names:
        shutil.copy(tmp_path / f"plain{format.suffixes[0]}", os.fsencode(folder) + b"/" + name)
    out = os.fsdecode(os.fsencode(tmp_path) + b"/r\xe9sultats")
    for _ in range(2):
        results = list(restore_files([folder], out, restorer=sure, options=FileOptions(existing="resume")))
        assert [result.error for result in results] == [None, None]
    assert all(result.skipped for result in results)  # so the journal knows them
    assert sorted(os.fsencode(path.name) for path in Path(out).iterdir()) == sorted([NAME.encode(), *names])
    (result,) = restore_files([f"{folder}/*.nothing"], out, restorer=sure)
    assert "matches no file" in str(result.error)


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_names_that_are_no_utf8_in_what_the_command_prints(tmp_path: Path, command: Run, weights: Path) -> None:
    source = os.fsdecode(os.fsencode(tmp_path) + b"/\xe9t\xe9.png")
    deep(Path(source))
    broken = os.fsdecode(os.fsencode(tmp_path) + b"/cass\xe9.png")
    Path(broken).write_bytes(b"\x89PNG\r\n\x1a\nno more")
    report = tmp_path / "report.json"
    arguments = ("restore", source, broken, "-o", tmp_path / "out", "-m", weights, "--report", report)
    code, printed, errors = command(*arguments, "--json")
    assert code == 1
    assert r"cass\udce9.png" in errors
    for text in (printed, report.read_text(encoding="utf-8")):
        files = json.loads(text)["files"]
        assert [entry["source"] for entry in files] == [source, broken]
        assert os.fsencode(files[0]["target"]) == os.fsencode(tmp_path / "out") + b"/\xe9t\xe9.png"


def test_choices_are_found_out_before_any_work(tmp_path: Path, sure: Restorer) -> None:
    for given in ({"saving": Saving(quality=0)}, {"saving": Saving(compression="zip")}, {"white": -1.0}):
        with pytest.raises(ConfigError):
            FileOptions(**given)
    options = FileOptions(saving=Saving(compression="lzw"))
    with pytest.raises(ConfigError, match="`compression` cannot be 'lzw': JPEG has none to choose"):
        list(restore_files([textured(tmp_path / "a.png")], tmp_path / "b.jpg", restorer=sure, options=options))
    jpeg, tiff = textured(tmp_path / "in" / "a.jpg"), textured(tmp_path / "in" / "b.tif")
    one, other = restore_files([jpeg, tiff], tmp_path / "out", restorer=sure, options=options)
    assert one.error == f"{tmp_path / 'out' / 'a.jpg'}: JPEG has no compression 'lzw'."
    assert (one.read, other.error) == (None, None)


@pytest.mark.parametrize("change", [{"saving": Saving(quality=50)}, {"white": 200.0}, {"no_data": 0.0}])
def test_resume_makes_again_what_was_stored_otherwise(
    tmp_path: Path, sure: Restorer, change: dict[str, object]
) -> None:
    for name in ("a.jpg", "b.jpg"):
        textured(tmp_path / "in" / name)
    options = FileOptions(existing="resume")
    skipped = [
        [r.skipped for r in restore_files([tmp_path / "in"], tmp_path / "out", restorer=sure, options=each)]
        for each in (options, options, replace(options, **change))
    ]
    assert skipped == [[False, False], [True, True], [False, False]]


def test_transparency_lies_over_the_background(tmp_path: Path, command: Run, weights: Path) -> None:
    pixels = np.full((64, 64, 4), (90, 120, 90, 255), np.uint8)
    pixels[:, :32] = (255, 0, 255, 0)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    for name, options, expected in (
        ("white.jpg", (), (255, 255, 255)),
        ("red.bmp", ("--background", "#ff0000"), (255, 0, 0)),
        ("black.ppm", ("--background", "black"), (0, 0, 0)),
    ):
        target = tmp_path / name
        code, _, errors = command("restore", tmp_path / "a.png", "-o", target, "-m", weights, *options)
        assert code == 0
        assert "alpha (it lies over" in errors
        found = Image.open(target).convert("RGB").getpixel((8, 32))
        assert np.abs(np.subtract(found, expected)).max() <= 3


@pytest.mark.parametrize(
    "options",
    [
        ("--quality", 0),
        ("--quality", 101),
        ("--compression", "zip"),
        ("--background", "no colour"),
        ("--date", "yesterday"),
        ("--white", 0),
    ],
)
@pytest.mark.parametrize("verb", [("restore",), ("degrade", "--gaussian", "25")])
def test_choices_that_mean_nothing_are_wrong_usage(
    tmp_path: Path, command: Run, verb: tuple[str, ...], options: tuple[object, ...]
) -> None:
    code, _, errors = command(*verb, textured(tmp_path / "a.png"), *options)
    assert code == 2
    assert one_line(errors)


def test_choices_of_the_command_reach_the_file(tmp_path: Path, command: Run) -> None:
    source = textured(tmp_path / "a.png")
    os.utime(source, ns=(DATE, DATE))
    degrade = ("degrade", source, "--gaussian", "25")
    assert command(*degrade, "-o", tmp_path / "a.tif", "--compression", "deflate", "--date", "now")[0] == 0
    assert command(*degrade, "-o", tmp_path / "coarse.jpg", "--quality", "20")[0] == 0
    assert command(*degrade, "-o", tmp_path / "fine.jpg", "--quality", "98")[0] == 0
    with Image.open(tmp_path / "a.tif") as image:
        assert image.info["compression"] in ("tiff_adobe_deflate", "tiff_deflate")
    assert (tmp_path / "a.tif").stat().st_mtime_ns != DATE == (tmp_path / "fine.jpg").stat().st_mtime_ns
    assert (tmp_path / "coarse.jpg").stat().st_size < (tmp_path / "fine.jpg").stat().st_size / 2


@pytest.mark.parametrize("evidence", [-3.0, 3.0])
def test_files_are_judged_as_one_where_they_are_frames(
    tmp_path: Path, tiny_ast, monkeypatch: pytest.MonkeyPatch, evidence: float
) -> None:
    for number in range(3):
        textured(tmp_path / "in" / f"{number}.png", seed=number)
    (tmp_path / "in" / "broken.png").write_bytes(b"no picture")
    answers = iter([evidence])
    monkeypatch.setattr(Detector, "evidence", lambda self, features: next(answers))
    options = FileOptions(together=True)
    results = list(restore_files([tmp_path / "in"], tmp_path / "out", restorer=judged(tiny_ast, 0.0), options=options))
    assert [bool(result.error) for result in results] == [False, False, False, True]
    assert {result.watch.share for result in results[:3]} == {float(evidence > 0)}
