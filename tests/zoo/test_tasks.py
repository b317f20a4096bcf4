"""Every row of the table of tasks names things that there are."""

import pytest

from pellucid.benchmark.registry import find_benchmark
from pellucid.degrade import DEGRADATIONS, compose
from pellucid.errors import ModelError
from pellucid.metrics.protocols import PROTOCOLS
from pellucid.training.recipes import RECIPES
from pellucid.zoo import TASKS, find_model, list_models
from pellucid.zoo.tasks import MIXED, task_named


@pytest.mark.parametrize("name", TASKS)
def test_a_row_names_what_there_is(name, tmp_path):
    task = TASKS[name]
    assert task.protocol in PROTOCOLS
    assert RECIPES[task.recipe or name](tmp_path, tmp_path, tmp_path / "run").task == name
    compose(task.degrade)
    for degradation in list(task.degrade)[:1]:
        assert find_benchmark(f"made-{degradation}").task == name
        if DEGRADATIONS[degradation].unseen:
            assert find_benchmark(f"unseen-{degradation}").task == name


@pytest.mark.parametrize("name", TASKS)
def test_a_task_has_the_weights_that_it_says_or_says_how_to_make_them(name):
    weights = TASKS[name].weights
    if weights is None:
        with pytest.raises(ModelError, match=f"pellucid train {TASKS[name].recipe or name}$"):
            find_model(task=name)
    else:
        assert find_model(task=name).stem == weights
        assert weights in [model.name for model in list_models(name)]


def test_every_bundled_model_is_of_a_task():
    assert {model.task for model in list_models()} == {name for name, task in TASKS.items() if task.weights}


def test_mixtures_are_benchmarks():
    assert all(find_benchmark(f"made-{name}").task == "any" for name in MIXED)


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("Deraining_Restormer", "derain"),
        ("Motion_Deblurring_Restormer", "deblur"),
        ("DefocusDeblurring_Single_8bit_Restormer", "defocus"),
        ("RealDenoising_Restormer", "denoise-real"),
        ("GaussianColorDenoising_RestormerSigma25", "denoise"),
        ("raindrop_derain", "raindrop"),
        ("Dehazing_mine", "dehaze"),
        ("Enhancement_LoL", None),
    ],
)
def test_a_task_is_known_by_the_longest_word_of_its_own(name, task):
    assert task_named(name) == task
