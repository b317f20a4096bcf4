import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from torch import nn

from pellucid.benchmark.registry import GAUSSIAN, PAIRS, find_benchmark
from pellucid.benchmark.report import LONGEST_SIDE, write_report
from pellucid.benchmark.run import Result, Subject, Trial
from pellucid.errors import ConfigError
from pellucid.inference import Restorer

from conftest import textured

if TYPE_CHECKING:
    from playwright.sync_api import Page

HOSTILE = "a<!--<script><b>&'5.png"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def results(tiny_ast: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    """Rain12 beside the paper's row under its protocol, and six pictures with noise, one oddly named."""
    folder = tmp_path_factory.mktemp("report")
    for seed in range(6):
        textured(folder / "clean" / f"{seed}.png", (48, 40), seed=seed)
    (folder / "clean" / "5.png").rename(folder / "clean" / HOSTILE)
    for side, shift in (("input", 0), ("target", 50)):
        textured(folder / "pairs" / side / "0.png", (48, 40), seed=shift)
    subject = Subject(name="tiny", restorer=Restorer(tiny_ast, tile="off", device="cpu"))
    rain = replace(find_benchmark("rain100l"), count=1)
    noise = replace(GAUSSIAN, published=find_benchmark("cbsd68").published)
    trials = (
        Trial(subject=subject, benchmark=noise, folder=folder / "clean", sigma=25, out=folder / "out"),
        Trial(subject=subject, benchmark=rain, folder=folder / "pairs", protocol="rgb", out=folder / "out"),
    )
    return [Result(trial=trial, scores=list(trial.scores())) for trial in trials]


@pytest.fixture(scope="module")
def page_file(results: list[Result], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(results, tmp_path_factory.mktemp("html") / "new" / "report")


def data_of(page_file: Path) -> dict[str, Any]:
    found = re.search(r"const report = (.*);\n", page_file.read_text(encoding="utf-8"))
    assert found
    return json.loads(found[1])


def test_the_page_holds_the_figures(page_file: Path, results: list[Result]) -> None:
    noise, rain = data_of(page_file)["results"]
    assert noise["psnr"] == results[0].psnr
    assert [row["psnr"] for row in noise["published"]] == [31.78]
    assert rain["published"] == []
    assert "not shown" in rain["refusal"]
    assert HOSTILE in [score["image"] for score in noise["scores"]]
    psnrs = [score["psnr"] for score in noise["scores"]]
    assert psnrs == sorted(psnrs)
    assert [case["kind"] for case in noise["cases"]] == ["worst", "worst", "median", "median"]
    assert [case["psnr"] for case in noise["cases"]] == psnrs[:4]


def test_the_page_needs_nothing_but_its_folder(page_file: Path) -> None:
    text = page_file.read_text(encoding="utf-8")
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
    assert text.count("</script>") == 1
    for result in data_of(page_file)["results"]:
        for case in result["cases"]:
            for file in case["files"].values():
                assert Image.open(page_file.parent / file).size == (case["width"], case["height"])


def test_pictures_are_restored_once(results: list[Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_report(results, tmp_path)
    monkeypatch.setattr(Restorer, "restore_array", None)
    write_report(results, tmp_path)


def test_of_large_pictures_the_middle_is_shown(tiny_ast: nn.Module, tmp_path: Path) -> None:
    for side in ("input", "target"):
        path = tmp_path / "pairs" / side / "0.png"
        path.parent.mkdir(parents=True)
        Image.fromarray(np.zeros((32, LONGEST_SIDE + 40, 3), np.uint8)).save(path)
    subject = Subject(name="tiny", restorer=Restorer(tiny_ast, tile=128, device="cpu"))
    trial = Trial(subject=subject, benchmark=PAIRS, folder=tmp_path / "pairs", out=tmp_path / "out")
    page = write_report([Result(trial=trial, scores=list(trial.scores()))], tmp_path / "report")
    (case,) = data_of(page)["results"][0]["cases"]
    assert (case["width"], case["height"], case["cropped"]) == (LONGEST_SIDE, 32, True)
    assert case["input_psnr"] is None  # infinite: the input is the target


def test_another_page_is_not_replaced(results: list[Result], tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<p>my home page</p>")
    with pytest.raises(ConfigError, match="is no report of pellucid"):
        write_report(results, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


@pytest.fixture(scope="module", params=[390, 1280], ids=["phone", "desktop"])
def page(page_file: Path, request: pytest.FixtureRequest) -> "Iterator[Page]":
    """The report in a real browser, offline; whatever the page complains about fails the test."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": request.param, "height": 900})
        page.context.set_offline(True)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(page_file.as_uri())
        yield page
        browser.close()
    assert not complaints


def test_table_and_plots_are_there(page: "Page", results: list[Result]) -> None:
    ours, paper, _ = page.locator("tbody tr").all_inner_texts()
    assert f"{results[0].psnr:.2f}" in ours
    assert "Restormer, blind" in paper
    assert "31.78" in paper
    assert page.locator("section svg").count() == 2
    assert page.locator("section svg").first.locator("g.picture").count() == 6
    assert page.get_by_text("published rows are not shown").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_slider_uncovers_the_input(page: "Page") -> None:
    stage = page.locator(".stage").first
    stage.scroll_into_view_if_needed()
    after = stage.locator(".after")
    box = stage.bounding_box()
    assert box
    assert clip(after) == "inset(0px 0px 0px 50%)"
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    moved = float(clip(after).split()[-1].rstrip("%)"))
    assert 70 < moved < 90
    stage.locator("input").focus()
    page.keyboard.press("ArrowLeft")
    assert float(clip(after).split()[-1].rstrip("%)")) < moved
    shown = stage.locator(".before, .after")
    assert shown.evaluate_all("images => images.every(image => image.naturalWidth > 0)")


def test_target_and_difference_can_be_shown(page: "Page") -> None:
    figure = page.locator("figure").nth(1)
    figure.scroll_into_view_if_needed()
    figure.get_by_role("button", name="Target").click()
    assert str(figure.locator(".after").get_attribute("src")).endswith("-target.png")
    assert figure.locator(".tag.right").inner_text() == "target"
    figure.get_by_role("button", name="Difference").click()
    assert figure.locator(".reference").is_visible()
    assert not figure.locator(".before").is_visible()
    figure.get_by_role("button", name="Output").click()
    assert not figure.locator(".reference").is_visible()


def clip(after: Any) -> str:
    return after.evaluate("element => getComputedStyle(element).clipPath")
