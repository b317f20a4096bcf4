import logging
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.data.layouts import find_pairs
from pellucid.errors import ConfigError

from conftest import picture

LAYOUTS: dict[str, list[str]] = {
    "Rain13K": ["train/Rain13K/input/1.jpg > train/Rain13K/target/1.jpg"],
    "Rain100L": ["rain/rain-001.png > norain/norain-001.png", "rain/rain-002.png > norain/norain-002.png"],
    "upper case": ["LQ/a.png > GT/a.png"],
    "other format": ["lq/a.jpg > gt/a.png"],
    "rainy": ["rainy/0001.png > clean/0001.png"],
    "Rain1400": [f"rainy_image/{i}_{k}.jpg > ground_truth/{i}.jpg" for i in (1, 10) for k in (1, 14)],
    "AGAN-Data": ["train/data/0_rain.png > train/gt/0_clean.png", "train/data/1_rain.png > train/gt/1_clean.png"],
    "GoPro": [f"train/{scene}/blur/000001.png > train/{scene}/sharp/000001.png" for scene in ("GOPR_07_00", "GOPR_1")],
    "GoPro gamma": ["GOPR_07_00/blur_gamma/000001.png > GOPR_07_00/sharp/000001.png"],
    "RealBlur": ["scene001/blur/blur_1.png > scene001/gt/gt_1.png"],
    "noisy": ["noisy/1.png > clean/1.png"],
    "Restormer's crops": ["GoPro/input_crops/a-1.png > GoPro/target_crops/a-1.png"],
    "Restormer's DPDD": ["inputC_crops/a-1.png > target_crops/a-1.png"],
    "DPDD": ["train_c/source/1P0A0917.png > train_c/target/1P0A0917.png"],
    "SOTS outdoor": [f"hazy/{i}_0.{k}_0.2.jpg > gt/{i}.png" for i in ("0001", "0010") for k in (8, 85)],
    "ITS": ["hazy/1_1_0.9.png > clear/1.png", "hazy/1_2_0.9.png > clear/1.png", "hazy/12_1_0.9.png > clear/12.png"],
    "longest name": ["haze/1_2_9.png > clear/1_2.png", "haze/1_3_9.png > clear/1.png"],
    "Dense-Haze": ["hazy/01_hazy.png > GT/01_GT.png", "hazy/02_hazy.png > GT/02_GT.png"],
    "O-HAZE": ["hazy/01_outdoor_hazy.jpg > GT/01_outdoor_GT.jpg"],
    "NH-HAZE": ["01_hazy.png > 01_GT.png", "02_hazy.png > 02_GT.png"],
    "SIDD": [
        f"Data/0001_{scene}_S6/0001_NOISY_SRGB_0{i}.PNG > Data/0001_{scene}_S6/0001_GT_SRGB_0{i}.PNG"
        for scene in ("001", "002")
        for i in (10, 11)
    ],
    "nested": ["input/day/1.png > target/day/1.png", "input/night/1.png > target/night/1.png"],
    "two tasks": ["hazy/1.png > gt/1.png", "rain/1.png > norain/1.png"],
}
DUAL_LAYOUTS = {
    "Restormer's crops": ["inputL_crops/a-1.png + inputR_crops/a-1.png > target_crops/a-1.png"],
    "Restormer's test": ["inputL/a.png + inputR/a.png > target/a.png"],
    "DPDD": ["canon/train_l/source/7_L.png + canon/train_r/source/7_R.png > canon/train_c/target/7.png"],
}


def build(root: Path, pairs: list[str]) -> None:
    for name in " + ".join(pairs).replace(" > ", " + ").split(" + "):
        picture(root / name)


def described(root: Path, *, dual_pixel: bool = False) -> list[str]:
    return [
        " + ".join(path.relative_to(root).as_posix() for path in pair.inputs)
        + f" > {pair.target.relative_to(root).as_posix()}"
        for pair in find_pairs(root, dual_pixel=dual_pixel)
    ]


@pytest.mark.parametrize("pairs", LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_is_recognised(tmp_path: Path, pairs: list[str]) -> None:
    build(tmp_path, pairs)
    assert described(tmp_path) == sorted(pairs)


@pytest.mark.parametrize("pairs", DUAL_LAYOUTS.values(), ids=DUAL_LAYOUTS)
def test_every_dual_pixel_layout_is_recognised(tmp_path: Path, pairs: list[str]) -> None:
    build(tmp_path, pairs)
    assert described(tmp_path, dual_pixel=True) == pairs


def test_dpdd_is_one_view_or_two_as_asked(tmp_path: Path) -> None:
    build(tmp_path, [*DUAL_LAYOUTS["DPDD"], "canon/train_c/source/6.png > canon/train_c/target/7.png"])
    assert described(tmp_path) == ["canon/train_c/source/6.png > canon/train_c/target/7.png"]
    assert described(tmp_path, dual_pixel=True) == DUAL_LAYOUTS["DPDD"]


def test_dpdd_is_paired_in_order_where_its_numbers_differ_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    build(tmp_path, pairs := ["source/1P0A2.png > target/1P0A1.png", "source/1P0A3.png > target/1P0A4.png"])
    with caplog.at_level(logging.WARNING):
        assert described(tmp_path) == pairs
    assert "paired in order" in caplog.text
    picture(tmp_path / "source" / "1P0A5.png")
    with pytest.raises(ConfigError, match="3 inputs have no target"):
        find_pairs(tmp_path)


def test_the_first_of_two_inputs_for_one_target_is_taken(tmp_path: Path) -> None:
    build(tmp_path, ["s/blur/1.png > s/sharp/1.png"])
    picture(tmp_path / "s" / "blur_gamma" / "1.png")
    assert described(tmp_path) == ["s/blur/1.png > s/sharp/1.png"]


def test_hidden_and_foreign_files_are_passed_over_and_links_followed(tmp_path: Path) -> None:
    build(tmp_path / "disk", ["input/1.png > target/1.png"])
    picture(tmp_path / "disk" / "input" / "._1.png")
    picture(tmp_path / "disk" / ".cache" / "input" / "2.png")
    (tmp_path / "disk" / "target" / "Thumbs.db").touch()
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "input").symlink_to(tmp_path / "disk" / "input")
    (tmp_path / "set" / "target").symlink_to(tmp_path / "disk" / "target")
    assert described(tmp_path / "disk") == described(tmp_path / "set") == ["input/1.png > target/1.png"]


def test_what_does_not_match_is_listed(tmp_path: Path) -> None:
    build(tmp_path, ["r/input/0.png > r/target/0.png"])
    for name in "abc":
        picture(tmp_path / "r" / "input" / f"{name}.png")
    picture(tmp_path / "r" / "target" / "d.png")
    with pytest.raises(ConfigError) as error:
        find_pairs(tmp_path)
    assert str(error.value) == (
        f"{tmp_path}/r/: 3 inputs have no target (a.png, b.png, c.png) and 1 target no input (d.png)"
    )


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["input/1.png", "input/2.png", "target/1.png"], r"/: 1 input has no target \(2.png\)$"),
        (["input/1.png", *(f"target/{i}.png" for i in range(1, 6))], r"/: 4 targets have no input \(2.png, 3.png, 4"),
        (["input/1.png", "input/1.jpg", "target/1.png"], "1 input has no target"),
        (["input/1.png", "target/1.png", "target/1.jpg"], "1 target has no input"),
        (["input/5.png", "input/5_2.png", "target/5.png"], "1 input has no target"),
        (["input/a/1.png", "target/b/1.png"], "1 input has no target .* and 1 target no input"),
        (["01_hazy.png", "02_hazy.png", "01_GT.png"], r"1 input has no target \(02_hazy.png\)"),
    ],
)
def test_pictures_without_counterpart_are_errors(tmp_path: Path, names: list[str], message: str) -> None:
    for name in names:
        picture(tmp_path / name)
    with pytest.raises(ConfigError, match=message):
        find_pairs(tmp_path)


def test_a_missing_view_is_named(tmp_path: Path) -> None:
    build(tmp_path, ["inputL/a.png + inputR/a.png > target/a.png"])
    picture(tmp_path / "inputL" / "b.png")
    picture(tmp_path / "target" / "b.png")
    with pytest.raises(ConfigError, match=r"1 input has no right view \(b.png\)"):
        find_pairs(tmp_path, dual_pixel=True)


def test_no_layout_is_one_line_that_names_those_that_are_known(tmp_path: Path) -> None:
    picture(tmp_path / "holiday" / "beach.png")
    (tmp_path / "input").mkdir()
    (tmp_path / "target").mkdir()
    with pytest.raises(ConfigError, match=r"holds no pairs.*input \+ target.*rain \+ norain"):
        find_pairs(tmp_path)
    with pytest.raises(ConfigError, match=r"holds no pairs.*inputl \+ inputr \+ target"):
        find_pairs(tmp_path, dual_pixel=True)
    with pytest.raises(ConfigError, match="no such folder"):
        find_pairs(tmp_path / "missing")


def spad(root: Path, text: str) -> Path:
    for name in ("real_world/001/001-1.png", "real_world/001/001-2.png", "real_world_gt/001.png"):
        picture(root / name)
    (root / "real_world.txt").write_text(text)
    return root / "real_world.txt"


@pytest.mark.parametrize("lead", ["", "/", "./"])
def test_a_list_says_the_pairs(tmp_path: Path, lead: str) -> None:
    names = ["real_world/001/001-1.png", "real_world/001/001-2.png"]
    path = spad(tmp_path / "SPAD", "".join(f"{lead}{name}\t{lead}real_world_gt/001.png\r\n" for name in names) + "\n")
    (tmp_path / "SPAD" / "ReadMe.txt").write_text("Thank you for your interest.")
    expected = [f"{name} > real_world_gt/001.png" for name in names]
    assert described(tmp_path / "SPAD") == expected
    assert find_pairs(path) == find_pairs(tmp_path) == find_pairs(tmp_path / "SPAD")


def test_a_list_may_name_two_views_and_folders_above(tmp_path: Path) -> None:
    for name in ("l.png", "r.png", "t.png"):
        picture(tmp_path / name)
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "train.txt").write_text("../l.png ../r.png ../t.png")
    (pair,) = find_pairs(tmp_path / "lists", dual_pixel=True)
    assert [path.resolve() for path in (*pair.inputs, pair.target)] == [tmp_path / f"{name}.png" for name in "lrt"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no pairs"),
        ("\nreal_world/001/001-1.png", "line 2: must be 'input target'"),
        ("real_world_gt/001.png noisy/001-1.png", "line 1: .* but real_world_gt/001.png looks like the target"),
        ("a.png b.png\nreal_world/001/001-1.png gone/c.png", r"3 pictures that are not there \(a.png, b.png, gone/c"),
    ],
)
def test_unusable_lists_are_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    path = spad(tmp_path, text)
    with pytest.raises(ConfigError, match=message):
        find_pairs(path)


def test_of_several_lists_one_must_be_named(tmp_path: Path) -> None:
    spad(tmp_path, "real_world/001/001-1.png real_world_gt/001.png")
    (tmp_path / "test.txt").write_text("")
    with pytest.raises(ConfigError, match=r"2 lists \(real_world.txt, test.txt\); name the one"):
        find_pairs(tmp_path)


@settings(deadline=None)
@given(st.sets(st.text(string.ascii_lowercase + string.digits + "_-", min_size=1, max_size=6), min_size=1, max_size=8))
def test_equal_names_always_match_whatever_they_are(tmp_path_factory: pytest.TempPathFactory, names: set[str]) -> None:
    root = tmp_path_factory.mktemp("pairs")
    for folder in ("input", "target"):
        (root / folder).mkdir()
        for name in names:
            (root / folder / f"{name}.png").touch()
    assert described(root) == [f"input/{name} > target/{name}" for name in sorted(f"{name}.png" for name in names)]
