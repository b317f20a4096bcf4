"""The benchmarks of AST, ASTv2 and Restormer: what is tested, how it is scored, and what was published.

More than 300 lines: most are rows of the papers' tables.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pellucid.degrade import DEGRADATIONS
from pellucid.degrade.compose import has_lengths
from pellucid.errors import ConfigError, did_you_mean
from pellucid.zoo.tasks import MIXED, ONE_PERCENT, TASKS, Degradations

SIGMAS = (15.0, 25.0, 50.0)


@dataclass(frozen=True, kw_only=True)
class Published:
    """A row of a paper's table.

    Attributes:
        model: its name there.
        psnr: in dB.
        ssim: None if it was not published, or not under a definition that we compute.
        sigma: the noise level it belongs to, on the scale of 0-255; None where the benchmark has none.
        source: where it stands; [1] was found in one source, [2] in two independent ones.
    """

    model: str
    psnr: float
    ssim: float | None = None
    sigma: float | None = None
    source: str


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A set of pictures and the rules by which the literature scores it.

    Attributes:
        id: how the command line names it.
        title: in words.
        task: one of ``pellucid.zoo.TASKS``.
        kind: "pairs" of input and target, clean pictures to which "gaussian" noise is added, or clean pictures
            "degraded" as ``degrade`` says.
        degrade: options for ``pellucid.degrade.compose``; none leaves the pictures as they are.
        layout: what the folder holds; pairs may come in any layout that ``find_pairs`` reads.
        count: how many pairs or clean pictures; None if any number will do.
        size: the longer and the shorter side of each picture in pixels; None if any will do.
        channels: of the pictures as they are tested, 1 or 3; None takes them as they are stored.
        dual_pixel: the input is two views.
        protocol: of PSNR and SSIM, a name from ``pellucid.metrics``.
        ssim: whether SSIM is given at all.
        tile: what the paper tested with: "off" (whole pictures) or a side in pixels; None leaves the restorer's.
        overlap: of these tiles, in pixels.
        published: rows to stand beside ours.
        published_protocol: what those were scored under, if it is not ``protocol``: then they are not shown.
        note: what a reader of the figures must know.
    """

    id: str
    title: str
    task: str
    kind: Literal["pairs", "gaussian", "degraded"]
    degrade: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    layout: str = "input/ + target/"
    count: int | None = None
    size: tuple[int, int] | None = None
    channels: int | None = 3
    dual_pixel: bool = False
    protocol: str = "rgb"
    ssim: bool = True
    tile: str | int | None = None
    overlap: int = 64
    published: tuple[Published, ...] = ()
    published_protocol: str | None = None
    note: str = ""

    def comparable(self, *, protocol: str, sigma: float | None) -> list[Published]:
        """The published rows that scores under a protocol, at a noise level, may stand beside."""
        if protocol != (self.published_protocol or self.protocol):
            return []
        return [row for row in self.published if row.sigma == sigma]

    def refusal(self, protocol: str) -> str | None:
        """Why there is nothing to compare scores under a protocol with; None if there is, or nothing was published."""
        theirs = self.published_protocol or self.protocol
        if not self.published or protocol == theirs:
            return None
        return f"{self.id}: published rows are not shown, they were scored under {theirs} and these under {protocol}"


_AST, _RESTORMER = "AST (CVPR 2024) [1]", "Restormer (CVPR 2022) [2]"
_CLEAN = "clean pictures"
_AGAN: dict[str, Any] = {"layout": "data/ + gt/", "tile": 384, "overlap": 80}
_GREY: dict[str, Any] = {"layout": "clean grey pictures", "channels": 1}
_PSNR_ONLY: dict[str, Any] = {
    "ssim": False,
    "note": "The papers' SSIM is MATLAB's on RGB, a 3-D filter that is not computed here: PSNR only.",
}
_ALIGNED: dict[str, Any] = {
    "ssim": False,
    "published_protocol": "rgb after alignment",
    "note": "The papers align each output with its target before they score it, which is not done here.",
}


def _pairs(id: str, title: str, task: str, count: int, *published: Published, **others: Any) -> Benchmark:
    rules: dict[str, Any] = {"protocol": TASKS[task].protocol, **others}
    return Benchmark(id=id, title=title, task=task, kind="pairs", count=count, published=published, **rules)


def _reported(model: str, psnr: float, ssim: float | None = None, source: str = _AST) -> Published:
    return Published(model=model, psnr=psnr, ssim=ssim, source=source)


def _restormer(psnr: float, ssim: float | None = None) -> Published:
    return _reported("Restormer", psnr, ssim, _RESTORMER)


def _noisy(
    id: str, title: str, count: int, restormer: Sequence[float] = (), *, source: str = _RESTORMER, **others: Any
) -> Benchmark:
    """Clean pictures to which Gaussian noise is added; Restormer's PSNR at each of ``SIGMAS``."""
    rows = zip(SIGMAS, restormer, strict=False)
    published = [Published(model="Restormer, blind", psnr=psnr, sigma=sigma, source=source) for sigma, psnr in rows]
    rules: dict[str, Any] = {"layout": _CLEAN, "published": tuple(published), **others}
    return Benchmark(id=id, title=title, task="denoise", kind="gaussian", count=count, **rules)


def _made(id: str, title: str, task: str, degrade: Degradations) -> Benchmark:
    return Benchmark(
        id=id,
        title=f"{title}, made on clean pictures",
        task=task,
        kind="degraded",
        degrade={name: _as_given(name, options) for name, options in degrade.items()},
        layout=_CLEAN,
        protocol=TASKS[task].protocol,
        note="Each picture's degradation is drawn from its number, and from no seed that training uses.",
    )


def _as_given(name: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Lengths in pixels, whatever the size of the picture."""
    return {**options, "scale": 1.0} if has_lengths(name, options.get("family")) else options


def _of_task(task: str, degrade: Degradations) -> Iterator[Benchmark]:
    """A task's degradation, and the family of it that is kept for validation."""
    name = next(iter(degrade))
    kind, noise = DEGRADATIONS[name], " and 1 % noise" if "gaussian" in degrade else ""
    yield _made(f"made-{name}", kind.title + noise, task, degrade)
    if kind.unseen:
        title = f"{name.capitalize()} by a renderer that is kept for validation"
        yield _made(f"unseen-{name}", title, task, {**degrade, name: {"family": kind.unseen}})


BENCHMARKS: tuple[Benchmark, ...] = (
    _pairs(
        "spad",
        "SPAD, real rain streaks",
        "derain",
        1000,
        _reported("AST-B", 49.51, 0.9942),
        _reported("AST-B+ (self-ensemble)", 49.72, 0.9944),
        _reported("DRSformer", 48.54, source="[2]"),
        _reported("Restormer", 47.98, source="[2]"),
        _reported("IDT", 47.34, source="[2]"),
        tile="off",
    ),
    _pairs("agan-a", "AGAN-Data test_a, raindrops", "raindrop", 58, _reported("AST-B", 32.32, 0.935), **_AGAN),
    _pairs("agan-b", "AGAN-Data test_b, raindrops", "raindrop", 249, **_AGAN),
    _pairs(
        "dense-haze",
        "Dense-Haze, the five test pairs",
        "dehaze",
        5,
        _reported("AST-B", 17.12, 0.55),
        layout="hazy/ + gt/",
        tile=1152,
        overlap=384,
    ),
    _pairs("sots", "RESIDE SOTS, indoor or outdoor", "dehaze", 500, layout="hazy/ + gt/"),
    _pairs("test100", "Test100, synthetic rain", "derain", 100, _restormer(32.00, 0.923)),
    _pairs("rain100h", "Rain100H, synthetic rain", "derain", 100, _restormer(31.46, 0.904)),
    _pairs(
        "rain100l",
        "Rain100L, synthetic rain",
        "derain",
        100,
        _restormer(38.99, 0.978),
        _reported("RCDNet", 40.00, source="[2], trained on Rain100L's own training set"),
    ),
    _pairs("test1200", "Test1200, synthetic rain", "derain", 1200, _restormer(33.19, 0.926)),
    _pairs("test2800", "Test2800, synthetic rain", "derain", 2800, _restormer(34.18, 0.944)),
    _pairs("rain12", "Rain12, synthetic rain", "derain", 12),
    _pairs("gopro", "GoPro, motion blur", "deblur", 1111, _restormer(32.92), **_PSNR_ONLY),
    _pairs("hide", "HIDE, motion blur of people", "deblur", 2025, _restormer(31.22), **_PSNR_ONLY),
    _pairs("realblur-r", "RealBlur-R, real motion blur from raw", "deblur", 980, _restormer(36.19), **_ALIGNED),
    _pairs("realblur-j", "RealBlur-J, real motion blur from JPEG", "deblur", 980, _restormer(28.96), **_ALIGNED),
    _pairs(
        "dpdd",
        "DPDD, defocus, one picture",
        "defocus",
        76,
        _restormer(25.98, 0.811),
        layout="inputC/ + target/",
        protocol="skimage-rgb",
    ),
    _pairs(
        "dpdd-dual",
        "DPDD, defocus, two views of dual pixels",
        "defocus",
        76,
        _restormer(26.66, 0.833),
        layout="inputL/ + inputR/ + target/",
        dual_pixel=True,
        protocol="skimage-rgb",
        note="The input's score is the left view's.",
    ),
    _pairs(
        "sidd", "SIDD, noise of real cameras, cut to 256x256", "denoise-real", 1280, _restormer(40.02), **_PSNR_ONLY
    ),
    _pairs("cc15", "CC15, noise of real cameras, JPEG, cut to 512x512", "denoise-real", 15),
    _noisy("set12", "Set12, grey", 12, (33.35, 31.04, 28.01), **_GREY),
    _noisy("bsd68", "BSD68, grey", 68, (31.95, 29.51, 26.62), **_GREY),
    _noisy("cbsd68", "CBSD68", 68, (34.39, 31.78, 28.59)),
    _noisy("kodak24", "Kodak24, the 500x500 crops", 24, size=(500, 500), note="The full pictures score differently."),
    _noisy(
        "kodak24-full",
        "Kodak, the full 768x512 pictures",
        24,
        (35.44, 33.02, 30.00),
        size=(768, 512),
        source=f"{_RESTORMER}, which pictures not said; Restormer on the crops is given as lower",
        note="The 500x500 crops score differently.",
    ),
    _noisy("mcmaster", "McMaster", 18, (35.55, 33.31, 30.29)),
    _noisy("urban100", "Urban100", 100, (35.06, 32.91, 30.02)),
    *(made for task, row in TASKS.items() if row.degrade for made in _of_task(task, row.degrade)),
    *(
        _made(id, f"{title}, and 1 % noise", "deblur", {"motion": shake, **ONE_PERCENT})
        for id, title, shake in (
            ("made-shake", "Slight shake, 2-6 pixels", {"level": "slight"}),
            ("made-shake-10", "Shake, 2-10 pixels", {"length": (2.0, 10.0)}),
        )
    ),
    *(
        _made(f"made-{name}", name.replace("-", " and ").capitalize(), "any", degrade)
        for name, degrade in MIXED.items()
    ),
)

GAUSSIAN = Benchmark(
    id="gaussian",
    title="Gaussian noise on clean pictures",
    task="denoise",
    kind="gaussian",
    layout=_CLEAN,
    channels=None,
)
PAIRS = Benchmark(id="pairs", title="Pairs of input and target", task="denoise", kind="pairs", channels=None)


def find_benchmark(id: str) -> Benchmark:
    """The benchmark of an id; "gaussian" and "pairs" are those of no paper, for any folder.

    Raises:
        ConfigError: no such benchmark.
    """
    known = {benchmark.id: benchmark for benchmark in (*BENCHMARKS, GAUSSIAN, PAIRS)}
    if id not in known:
        raise ConfigError(f"Unknown benchmark '{id}'.{did_you_mean(id, known)}")
    return known[id]


def registered(folder: Path) -> Benchmark | None:
    """The benchmark after which a folder is named, whatever the case; None if there is none."""
    name = folder.resolve().name.lower().replace("_", "-")
    return next((benchmark for benchmark in BENCHMARKS if benchmark.id == name), None)
