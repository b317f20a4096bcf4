"""``niqe_basicsr.csv`` holds BasicSR's values; its pristine model is not ours to ship, so order is what is compared."""

import builtins
import csv
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import savemat
from scipy.ndimage import gaussian_filter
from scipy.stats import spearmanr
from skimage import data

from pellucid.errors import ConfigError, ImageError, MissingExtraError
from pellucid.metrics import fit_pristine, load_pristine, niqe, niqe_pellucid

ROWS = list(csv.DictReader((Path(__file__).parent / "niqe_basicsr.csv").open()))

OURS = {
    ("astronaut", "clean"): 2.4301,
    ("astronaut", "n25"): 9.1860,
    ("astronaut", "blur15"): 5.2753,
    ("coffee", "clean"): 2.9254,
    ("coffee", "n25"): 10.3196,
    ("coffee", "blur15"): 5.5727,
    ("chelsea", "clean"): 2.1825,
    ("chelsea", "n25"): 9.1601,
    ("chelsea", "blur15"): 6.3339,
    ("rocket", "clean"): 4.9727,
    ("rocket", "n25"): 11.2811,
    ("rocket", "blur15"): 5.9626,
}


def photo(name: str, variant: str = "clean") -> NDArray[np.uint8]:
    clean = getattr(data, name)()
    if variant == "n25":
        noisy = clean + np.random.default_rng(1).normal(0, 25, clean.shape)
        return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    if variant == "blur15":
        return np.rint(gaussian_filter(clean.astype(float), (1.5, 1.5, 0))).astype(np.uint8)
    return clean


@pytest.fixture(scope="module")
def scores() -> dict[tuple[str, str], float]:
    return {(row["image"], row["variant"]): niqe_pellucid(photo(row["image"], row["variant"])) for row in ROWS}


def test_our_model_gives_the_values_it_gave(scores: dict[tuple[str, str], float]) -> None:
    assert scores == pytest.approx(OURS, rel=1e-3)


def test_our_model_ranks_as_the_published_one(scores: dict[tuple[str, str], float]) -> None:
    published = [float(row["niqe_y"]) for row in ROWS]
    assert spearmanr(published, list(scores.values())).statistic > 0.85


def test_depth_and_grey_axes_change_nothing() -> None:
    picture = photo("coffee")
    assert niqe_pellucid(picture.astype(np.uint16) * 257) == niqe_pellucid(picture)
    grey = picture[:, :, 1]
    assert niqe_pellucid(grey) == niqe_pellucid(grey[:, :, None]) == niqe_pellucid(np.stack([grey] * 3, axis=2))


def test_what_goes_beyond_whole_blocks_is_left_out() -> None:
    picture = photo("coffee")[:200, :300]
    assert niqe_pellucid(picture) == niqe_pellucid(picture[:192, :288])


@pytest.mark.parametrize("picture", [np.zeros((300, 300), np.uint8), np.zeros((95, 300, 3), np.uint8)])
def test_flat_and_small_pictures_are_refused(picture: NDArray[np.uint8]) -> None:
    with pytest.raises(ImageError, match="two blocks"):
        niqe_pellucid(picture)


def test_a_fitted_model_is_read_back_from_either_kind_of_file(tmp_path: Path) -> None:
    model = fit_pristine([photo("coffee"), photo("chelsea")])
    np.savez(tmp_path / "own.npz", mean=model.mean, covariance=model.covariance)
    savemat(tmp_path / "own.mat", {"mu_prisparam": model.mean[None], "cov_prisparam": model.covariance})
    expected = niqe(photo("rocket"), model)
    assert niqe(photo("rocket"), tmp_path / "own.npz") == pytest.approx(expected)
    assert niqe(photo("rocket"), tmp_path / "own.mat") == pytest.approx(expected)


def test_files_that_hold_no_model(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", mean=np.zeros(35))
    np.savez(tmp_path / "nan.npz", mean=np.zeros(36), covariance=np.full((36, 36), np.nan))
    (tmp_path / "text.npz").write_text("not an archive")
    (tmp_path / "text.mat").write_text("not MATLAB's")
    for name in ("other.npz", "nan.npz", "text.npz", "text.mat", "missing.npz"):
        with pytest.raises(ConfigError, match=name):
            load_pristine(tmp_path / name)


def test_matlab_files_need_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def without_scipy(name: str, *args: object) -> object:
        if name.startswith("scipy"):
            raise ImportError(name)
        return real_import(name, *args)

    (tmp_path / "model.mat").touch()
    monkeypatch.setattr(builtins, "__import__", without_scipy)
    with pytest.raises(MissingExtraError, match=r"pellucid\[niqe\]"):
        load_pristine(tmp_path / "model.mat")


def test_no_photographs_give_no_model() -> None:
    with pytest.raises(ImageError, match="sharp blocks"):
        fit_pristine([])
