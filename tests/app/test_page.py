"""More than 300 lines: all of it uses one service, which takes long to start."""

import base64
import io
import re
import shutil
import subprocess
import sys
import time
import urllib.request
import zipfile
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data
from typer.testing import CliRunner

from pellucid.cli.main import app

pytest.importorskip("fastapi", reason='pip install "pellucid[serve]"')
tifffile = pytest.importorskip("tifffile")
api = pytest.importorskip("playwright.sync_api", reason='pip install "pellucid[dev]"')
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason='pip install "pellucid[dev]"')

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
TOKEN = "open-sesame"
SIDE = 192
PATIENCE = 90_000  # milliseconds: of a machine that has more to do
# Notes, as the page cannot tell of it later, whether rows of a result were there before all of it was
WATCH = """
new MutationObserver(() => {
  const canvas = document.querySelector(".stage.is-partial canvas");
  if (canvas) window.stripsSeen = [canvas.width, canvas.height];
}).observe(document, { subtree: true, childList: true, attributes: true });
"""
DROP = """([name, text]) => {
  const carried = new DataTransfer();
  carried.items.add(new File([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))], name));
  document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: carried, bubbles: true, cancelable: true }));
}"""
PASTE = DROP.replace('new DragEvent("drop", { dataTransfer', 'new ClipboardEvent("paste", { clipboardData')


@pytest.fixture(scope="module")
def address():
    """Of a service that wants a token, and lets no more wait than three small pictures."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    options = ["--port", "0", "--token", TOKEN, "--queue", str(3.5 * SIDE**2 / 1e6)]
    with subprocess.Popen(
        [sys.executable, "-m", "pellucid", "serve", *options], stderr=subprocess.PIPE, text=True
    ) as service:
        try:
            address = service.stderr.readline().strip()
            until_ready(address)
            yield address
        finally:
            service.kill()


def until_ready(address):
    end = time.monotonic() + 120
    while True:
        try:
            urllib.request.urlopen(f"{address}/readyz", timeout=10).close()
            return
        except OSError:
            assert time.monotonic() < end, "the service did not get ready"
            time.sleep(0.2)


@pytest.fixture(scope="module")
def browser(address):
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opened(browser, address, token=TOKEN, complaints=None, **options):
    """The page in a window of its own; whatever it complains of, or asks of others, fails the test."""
    complaints = [] if complaints is None else complaints
    elsewhere = []
    with browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options}) as context:
        context.add_init_script(WATCH)
        if token:
            context.add_init_script(f"sessionStorage.setItem('pellucid-token', '{token}')")
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("request", lambda request: elsewhere.append(request.url))
        page.goto(address)
        if token:
            page.wait_for_selector(".choice")
        yield page
    assert not complaints
    assert [url for url in elsewhere if not url.startswith((f"{address}/", f"blob:{address}"))] == []


@pytest.fixture
def page(browser, address):
    with opened(browser, address) as page:
        yield page


@pytest.fixture(scope="module")
def noisy():
    """A part of a photograph with noise, as PNG with its resolution."""
    clean = data.astronaut()[:SIDE, 128 : 128 + SIDE].astype(float)
    pixels = clean + np.random.default_rng(0).normal(0, 25, clean.shape)
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "PNG", dpi=(300, 300))
    return file.getvalue()


def choose(page, *files):
    """Choose files, given as (name, bytes)."""
    page.set_input_files("#files", [{"name": name, "mimeType": "", "buffer": content} for name, content in files])


def finished(page, count=1):
    page.locator(".card[data-state=done]").nth(count - 1).wait_for()


def downloaded(page, click):
    with page.expect_download() as coming:
        click()
    return coming.value.suggested_filename, Path(coming.value.path()).read_bytes()


def drop(page, name, content, how=DROP):
    page.evaluate(how, [name, base64.b64encode(content).decode()])


def test_a_dropped_picture_is_restored_compared_and_saved_as_the_command_would(page, noisy, tmp_path):
    page.get_by_role("radio", name="Camera noise").check(force=True)
    drop(page, "über Köln.png", noisy)
    finished(page)
    assert page.evaluate("window.stripsSeen") == [SIDE, SIDE]
    name, content = downloaded(page, page.get_by_role("button", name="Download", exact=True).click)
    source = tmp_path / "über Köln.png"
    source.write_bytes(noisy)
    done = CliRunner().invoke(
        app, ["restore", str(source), "-o", str(tmp_path / "by-command.png"), "-t", "denoise-real"]
    )
    assert done.exit_code == 0, done.output
    assert name == "über Köln_restored.png"
    assert content == (tmp_path / "by-command.png").read_bytes()
    receipt = page.locator("#receipt").inner_text()
    for words in ("ast-s-denoise-real", f"{SIDE} × {SIDE}, 8 bits", "resolution", "1 tile"):
        assert words in receipt
    look_at_the_slider(page)
    look_at_zoom(page)
    look_at_the_other_views(page)
    page.get_by_role("radio", name="Rain streaks").check(force=True)
    page.get_by_role("button", name="Restore this one again: Rain").click()
    page.get_by_text("ast-s-derain").wait_for()


def look_at_the_slider(page):
    slider = page.get_by_role("slider")
    style = lambda: page.locator("#frame .after").evaluate("element => getComputedStyle(element).clipPath")  # noqa: E731
    words = lambda: slider.get_attribute("aria-valuetext")  # noqa: E731
    assert words() == "50 % before, 50 % after"
    slider.focus()
    for key, at in (("Home", 0), ("PageUp", 10), ("ArrowRight", 11), ("ArrowLeft", 10), ("End", 100), ("PageDown", 90)):
        page.keyboard.press(key)
        assert words() == f"{at} % before, {100 - at} % after"
        clipped = float(re.findall(r"([\d.]+)px", style())[-1])  # at the left
        assert clipped == pytest.approx(SIDE * at / 100)
    picture = page.locator("#frame").bounding_box()
    middle = picture["y"] + picture["height"] / 2
    page.mouse.move(picture["x"] + picture["width"] * 0.25, middle)
    page.mouse.down()
    assert words() == "25 % before, 75 % after"
    page.mouse.move(picture["x"] + picture["width"] * 0.6, middle + 30)
    assert words() == "60 % before, 40 % after"
    page.mouse.up()
    page.mouse.move(picture["x"], middle)
    assert words() == "60 % before, 40 % after"


def look_at_zoom(page):
    shown = lambda: page.locator("#frame").bounding_box()  # noqa: E731
    zoom = lambda: page.locator("#zoom").inner_text()  # noqa: E731
    page.get_by_role("button", name="100 %").click()
    assert (zoom(), shown()["width"]) == ("100 %", SIDE)
    assert page.get_by_role("button", name="100 %").get_attribute("aria-pressed") == "true"
    page.get_by_role("slider").focus()
    for key, words in (("2", "200 %"), ("+", "250 %"), ("-", "200 %"), ("1", "100 %")):
        page.keyboard.press(key)
        assert zoom() == words
    stage = page.locator("#stage").bounding_box()
    at = stage["x"] + stage["width"] / 2 + 30, stage["y"] + stage["height"] / 2 + 30
    page.mouse.move(*at)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -400)
    page.keyboard.up("Control")
    expect_soon(lambda: shown()["width"] > stage["width"])
    before = shown()
    page.mouse.move(stage["x"] + 40, at[1])
    page.mouse.down()
    page.mouse.move(stage["x"] + 90, at[1] + 20, steps=3)
    page.mouse.up()
    assert (shown()["x"], shown()["y"]) == pytest.approx((before["x"] + 50, before["y"] + 20), abs=1)
    page.get_by_role("slider").focus()
    page.keyboard.press("Shift+ArrowRight")
    assert shown()["x"] == pytest.approx(before["x"] - 10, abs=1)
    page.keyboard.press("0")
    assert page.get_by_role("button", name="Fit").get_attribute("aria-pressed") == "true"


def look_at_the_other_views(page):
    hold = page.get_by_role("button", name="Hold for before")
    after = page.locator("#frame .after")
    box = hold.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    assert after.evaluate("element => getComputedStyle(element).visibility") == "hidden"
    page.mouse.up()
    assert after.evaluate("element => getComputedStyle(element).visibility") == "visible"
    page.keyboard.down("Space")
    assert hold.get_attribute("aria-pressed") == "true"
    page.keyboard.up("Space")
    assert hold.get_attribute("aria-pressed") == "false"
    page.get_by_role("button", name="Difference").click()
    assert after.evaluate("element => getComputedStyle(element).mixBlendMode") == "difference"
    assert page.get_by_text("Difference, 8 times as strong").is_visible()
    page.get_by_role("button", name="Difference").click()


def test_fingers_move_the_slider_zoom_and_scroll(browser, address, noisy):
    with opened(browser, address, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True) as page:
        choose(page, ("picture.png", noisy))
        finished(page)
        session = page.context.new_cdp_session(page)
        stage = page.locator("#stage").bounding_box()
        x, y = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2

        def touch(*positions):
            """Fingers that go from position to position, each [(dx, dy), ...] of the stage's middle, and are lifted."""
            for number, fingers in enumerate(positions):
                points = [{"x": x + dx, "y": y + dy, "id": id} for id, (dx, dy) in enumerate(fingers)]
                kind = "touchMove" if number else "touchStart"
                session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
            session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
            return page.get_by_role("slider").get_attribute("aria-valuetext"), page.locator("#zoom").inner_text()

        words, fit = touch([(0, 0)], [(-20, 0)], [(-50, 2)], [(-80, 4)])
        assert words != "50 % before, 50 % after"
        scrolled = touch(*([(60, 150 - 20 * step)] for step in range(12)))
        assert scrolled == (words, fit)
        expect_soon(lambda: page.evaluate("scrollY") > 100)
        page.evaluate("scrollTo(0, 0)")
        pinched, zoom = touch(*([(-30 - step, -30 - step), (30 + step, 30 + step)] for step in range(0, 60, 6)))
        assert pinched == words
        assert int(zoom.split()[0]) > 1.5 * int(fit.split()[0])


def expect_soon(condition):
    end = time.monotonic() + PATIENCE / 1000
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_tiff_of_16_bits_is_shown_and_stays_one(page, noisy):
    pixels = np.asarray(Image.open(io.BytesIO(noisy))).astype(np.uint16) * 257
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, photometric="rgb")
    choose(page, ("scan.tif", file.getvalue()))
    finished(page)
    for side in ("img.before", ".after img"):
        size = page.locator(f"#frame {side}").evaluate("image => [image.naturalWidth, image.naturalHeight]")
        assert size == [SIDE, SIDE]
    name, content = downloaded(page, page.get_by_role("button", name="Download: scan.tif").click)
    assert name == "scan_restored.tif"
    restored = tifffile.imread(io.BytesIO(content))
    assert (restored.dtype, restored.shape) == (np.uint16, pixels.shape)
    assert len(np.unique(restored & 255)) > 200  # not 8 bits that were stretched
    assert "16 bits" in page.locator("#receipt").inner_text()


def test_what_is_no_picture_gives_one_sentence(browser, address):
    with opened(browser, address, complaints=Refused()) as page:
        choose(page, *((f"notes {number}.txt", b"no picture, but a line of text\n") for number in range(1, 9)))
        page.locator(".card[data-state=failed]").nth(7).wait_for()
        assert min(box["height"] for card in page.locator(".card").all() if (box := card.bounding_box())) > 50
        page.get_by_role("button", name="notes 8.txt The file").click()
        card = page.locator(".card:has([aria-current])")
        sentence = card.locator(".state").inner_text()
        assert re.fullmatch(r"[^.\n]+\.", sentence), sentence
        assert page.locator("#viewer-state").inner_text() == sentence
        assert sentence in page.locator("#live").inner_text()
        card.get_by_role("button", name="Remove").click()
        assert page.locator(".card").count() == 7
        page.get_by_role("button", name="Remove all").click()
        assert page.get_by_role("button", name="Choose pictures").evaluate("it => it === document.activeElement")


class Refused(list):
    """Complaints, without those of the browser that a request was refused."""

    def append(self, complaint):
        if not complaint.startswith("Failed to load resource"):
            super().append(complaint)


def test_more_than_there_is_room_for_waits_and_goes_on_and_one_is_stopped(browser, address, noisy):
    large = io.BytesIO()
    Image.open(io.BytesIO(noisy)).resize((SIDE * 2, SIDE)).save(large, "PNG")
    with opened(browser, address, complaints=Refused()) as page:
        choose(page, *((f"{number}.png", large.getvalue()) for number in (1, 2, 3)))
        page.get_by_text("The service has its hands full. The next try is in").wait_for()
        page.get_by_role("button", name="Stop: 2.png").click()
        stopped = page.locator(".card", has_text="2.png")
        assert "Stopped" in stopped.inner_text()
        finished(page, 2)
        assert stopped.get_attribute("data-state") == "cancelled"
        page.get_by_role("button", name="Try again: 2.png").click()
        finished(page, 3)


def test_a_folder_is_restored_and_saved_as_one_archive(page, noisy, tmp_path):
    folder = tmp_path / "holiday"
    (folder / "day 1").mkdir(parents=True)
    (folder / "day 1" / "a.png").write_bytes(noisy)
    (folder / "b.png").write_bytes(noisy)
    (folder / "notes.txt").write_text("not asked for")
    page.set_input_files("#folder", folder)
    finished(page, 2)
    name, content = downloaded(page, page.get_by_role("button", name="Download all").click)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == ["holiday/b_restored.png", "holiday/day 1/a_restored.png"]
        one = downloaded(page, page.get_by_role("button", name="Download: b.png").click)
        assert one == ("b_restored.png", archive.read("holiday/b_restored.png"))
    assert name == "restored.zip"


def test_a_token_is_asked_for_where_one_is_needed(browser, address, noisy):
    with opened(browser, address, token=None, complaints=Refused()) as page:
        field = page.get_by_label("Token", exact=True)
        field.wait_for()
        looked_at(page)
        for token in ("no-such-token", TOKEN):
            field.fill(token)
            page.keyboard.press("Enter")
            if token != TOKEN:
                page.get_by_text("The service does not know this token.").wait_for()
        page.get_by_role("radio", name="Rain streaks").wait_for(state="attached")
        assert not field.is_visible()
        assert page.evaluate("localStorage.length") == 0
        drop(page, "pasted.png", noisy, how=PASTE)
        finished(page)


def test_it_fits_and_can_be_used_by_all(page, noisy, address):
    looked_at(page)
    choose(page, ("picture.png", noisy))
    finished(page)
    looked_at(page)
    page.goto(f"{address}/docs")
    page.get_by_text("/v1/jobs/{id}/events").wait_for()
    page.get_by_text("/v1/restore", exact=True).click()
    looked_at(page)


def looked_at(page):
    """Nothing sticks out, and axe finds no fault, in the light and in the dark, on a phone and a large screen."""
    for width, scheme in product((390, 1440), ("light", "dark")):
        page.set_viewport_size({"width": width, "height": 844})
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        results = axe.Axe().run(page)
        assert results.violations_count == 0, results.generate_report()
