"""The benchmarks of AST, ASTv2 and Restormer: what is tested, how it is scored, and what was published.

More than 300 lines: most are rows of the papers' tables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pellucid.errors import ConfigError, did_you_mean

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
        task: one of ``pellucid.zoo.catalog.TASKS``.
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


AST, RESTORMER = "AST (CVPR 2024)", "Restormer (CVPR 2022)"
_MATLAB_SSIM = "The papers' SSIM is MATLAB's on RGB, a 3-D filter that is not computed here: PSNR only."
_ALIGNED = "The papers align each output with its target before they score it, which is not done here."
_CLEAN = "clean pictures"
_AS_GIVEN = {"scale": 1.0}  # lengths in pixels, whatever the size of the picture
_ONE_PERCENT = {"gaussian": {"low": 2.55, "high": 2.55}}


def _blind(model: str, psnr: Sequence[float], source: str) -> tuple[Published, ...]:
    rows = zip(SIGMAS, psnr, strict=True)
    return tuple(Published(model=f"{model}, blind", psnr=value, sigma=sigma, source=source) for sigma, value in rows)


def _derain(id: str, title: str, count: int, *published: Published) -> Benchmark:
    return Benchmark(
        id=id, title=title, task="derain", kind="pairs", count=count, protocol="matlab-y", published=published
    )


def _deblur(id: str, title: str, count: int, psnr: float, *, aligned: bool = False) -> Benchmark:
    return Benchmark(
        id=id,
        title=title,
        task="deblur",
        kind="pairs",
        count=count,
        ssim=False,
        published=(Published(model="Restormer", psnr=psnr, source=f"{RESTORMER} [2]"),),
        published_protocol="rgb after alignment" if aligned else None,
        note=_ALIGNED if aligned else _MATLAB_SSIM,
    )


def _restormer(psnr: float, ssim: float | None = None) -> Published:
    return Published(model="Restormer", psnr=psnr, ssim=ssim, source=f"{RESTORMER} [2]")


def _denoise(
    id: str,
    title: str,
    count: int,
    restormer: Sequence[float] = (),
    *,
    channels: int = 3,
    size: tuple[int, int] | None = None,
    source: str = f"{RESTORMER} [2]",
    note: str = "",
) -> Benchmark:
    return Benchmark(
        id=id,
        title=title,
        task="denoise",
        kind="gaussian",
        layout=_CLEAN if channels == 3 else "clean grey pictures",
        count=count,
        channels=channels,
        size=size,
        published=_blind("Restormer", restormer, source) if restormer else (),
        note=note,
    )


def _made(id: str, title: str, task: str, **degrade: Mapping[str, Any]) -> Benchmark:
    return Benchmark(
        id=id,
        title=f"{title}, made on clean pictures",
        task=task,
        kind="degraded",
        degrade=degrade,
        layout=_CLEAN,
        protocol="matlab-y" if task == "derain" else "rgb",
        note="Each picture's degradation is drawn from its number, and from no seed that training uses.",
    )


BENCHMARKS: tuple[Benchmark, ...] = (
    Benchmark(
        id="spad",
        title="SPAD, real rain streaks",
        task="derain",
        kind="pairs",
        count=1000,
        protocol="matlab-y",
        tile="off",
        published=(
            Published(model="AST-B", psnr=49.51, ssim=0.9942, source=f"{AST} [1]"),
            Published(model="AST-B+ (self-ensemble)", psnr=49.72, ssim=0.9944, source=f"{AST} [1]"),
            Published(model="DRSformer", psnr=48.54, source="[2]"),
            Published(model="Restormer", psnr=47.98, source="[2]"),
            Published(model="IDT", psnr=47.34, source="[2]"),
        ),
    ),
    Benchmark(
        id="agan-a",
        title="AGAN-Data test_a, raindrops",
        task="raindrop",
        kind="pairs",
        layout="data/ + gt/",
        count=58,
        tile=384,
        overlap=80,
        published=(Published(model="AST-B", psnr=32.32, ssim=0.935, source=f"{AST} [1]"),),
    ),
    Benchmark(
        id="agan-b",
        title="AGAN-Data test_b, raindrops",
        task="raindrop",
        kind="pairs",
        layout="data/ + gt/",
        count=249,
        tile=384,
        overlap=80,
    ),
    Benchmark(
        id="dense-haze",
        title="Dense-Haze, the five test pairs",
        task="dehaze",
        kind="pairs",
        layout="hazy/ + gt/",
        count=5,
        tile=1152,
        overlap=384,
        published=(Published(model="AST-B", psnr=17.12, ssim=0.55, source=f"{AST} [1]"),),
    ),
    Benchmark(
        id="sots",
        title="RESIDE SOTS, indoor or outdoor",
        task="dehaze",
        kind="pairs",
        layout="hazy/ + gt/",
        count=500,
    ),
    _derain("test100", "Test100, synthetic rain", 100, _restormer(32.00, 0.923)),
    _derain("rain100h", "Rain100H, synthetic rain", 100, _restormer(31.46, 0.904)),
    _derain(
        "rain100l",
        "Rain100L, synthetic rain",
        100,
        _restormer(38.99, 0.978),
        Published(model="RCDNet", psnr=40.00, source="[2], trained on Rain100L's own training set"),
    ),
    _derain("test1200", "Test1200, synthetic rain", 1200, _restormer(33.19, 0.926)),
    _derain("test2800", "Test2800, synthetic rain", 2800, _restormer(34.18, 0.944)),
    _derain("rain12", "Rain12, synthetic rain", 12),
    _deblur("gopro", "GoPro, motion blur", 1111, 32.92),
    _deblur("hide", "HIDE, motion blur of people", 2025, 31.22),
    _deblur("realblur-r", "RealBlur-R, real motion blur from raw", 980, 36.19, aligned=True),
    _deblur("realblur-j", "RealBlur-J, real motion blur from JPEG", 980, 28.96, aligned=True),
    Benchmark(
        id="dpdd",
        title="DPDD, defocus, one picture",
        task="defocus",
        kind="pairs",
        layout="inputC/ + target/",
        count=76,
        protocol="skimage-rgb",
        published=(_restormer(25.98, 0.811),),
    ),
    Benchmark(
        id="dpdd-dual",
        title="DPDD, defocus, two views of dual pixels",
        task="defocus",
        kind="pairs",
        layout="inputL/ + inputR/ + target/",
        count=76,
        dual_pixel=True,
        protocol="skimage-rgb",
        published=(_restormer(26.66, 0.833),),
        note="The input's score is the left view's.",
    ),
    Benchmark(
        id="sidd",
        title="SIDD, noise of real cameras, cut to 256x256",
        task="denoise-real",
        kind="pairs",
        count=1280,
        ssim=False,
        published=(_restormer(40.02),),
        note=_MATLAB_SSIM,
    ),
    Benchmark(
        id="cc15",
        title="CC15, noise of real cameras, JPEG, cut to 512x512",
        task="denoise-real",
        kind="pairs",
        count=15,
    ),
    _denoise("set12", "Set12, grey", 12, (33.35, 31.04, 28.01), channels=1),
    _denoise("bsd68", "BSD68, grey", 68, (31.95, 29.51, 26.62), channels=1),
    _denoise("cbsd68", "CBSD68", 68, (34.39, 31.78, 28.59)),
    _denoise("kodak24", "Kodak24, the 500x500 crops", 24, size=(500, 500), note="The full pictures score differently."),
    _denoise(
        "kodak24-full",
        "Kodak, the full 768x512 pictures",
        24,
        (35.44, 33.02, 30.00),
        size=(768, 512),
        source=f"{RESTORMER} [2], which pictures not said; Restormer on the crops is given as lower",
        note="The 500x500 crops score differently.",
    ),
    _denoise("mcmaster", "McMaster", 18, (35.55, 33.31, 30.29)),
    _denoise("urban100", "Urban100", 100, (35.06, 32.91, 30.02)),
    _made("made-rain", "Rain streaks", "derain", rain=_AS_GIVEN),
    _made("made-raindrop", "Drops on glass", "raindrop", raindrop=_AS_GIVEN),
    _made("made-haze", "Haze", "dehaze", haze={"window": (1.0, 1.0)}),
    _made("made-motion", "Camera shake and 1 % noise", "deblur", motion=_AS_GIVEN, **_ONE_PERCENT),
    _made(
        "made-shake",
        "Slight shake, 2-6 pixels, and 1 % noise",
        "deblur",
        motion={"level": "slight", **_AS_GIVEN},
        **_ONE_PERCENT,
    ),
    _made(
        "made-shake-10",
        "Shake, 2-10 pixels, and 1 % noise",
        "deblur",
        motion={"length": (2.0, 10.0), **_AS_GIVEN},
        **_ONE_PERCENT,
    ),
    _made("made-defocus", "Pictures out of focus and 1 % noise", "defocus", defocus=_AS_GIVEN, **_ONE_PERCENT),
    _made("made-camera", "Noise of a camera", "denoise-real", camera={}),
    _made("made-rain-haze", "Rain and haze", "any", haze={"level": "light"}, rain={"level": "medium", **_AS_GIVEN}),
    _made(
        "made-rain-raindrop",
        "Rain, and drops on glass",
        "any",
        rain={"level": "drizzle", **_AS_GIVEN},
        raindrop={"level": "few", **_AS_GIVEN},
    ),
    _made("made-haze-camera", "Haze and a camera's noise", "any", haze={"level": "medium"}, camera={"level": "light"}),
    *(
        _made(f"unseen-{name}", f"{name.capitalize()} by a renderer that is kept for validation", task, **made)
        for name, task, made in (
            ("rain", "derain", {"rain": {"family": "perspective", **_AS_GIVEN}}),
            ("raindrop", "raindrop", {"raindrop": {"family": "painted", **_AS_GIVEN}}),
            ("haze", "dehaze", {"haze": {"family": "corridor"}}),
            ("motion", "deblur", {"motion": {"family": "moving", **_AS_GIVEN}, **_ONE_PERCENT}),
            ("defocus", "defocus", {"defocus": {"family": "ring", **_AS_GIVEN}, **_ONE_PERCENT}),
            ("camera", "denoise-real", {"camera": {"family": "coring"}}),
        )
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
