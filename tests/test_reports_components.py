"""The effects of the study `components` on numbers made up for it."""

from itertools import product

import numpy as np
import pytest

from benchmark.settings import read_preset
from benchmark.study import StudyInputs, plan_variants
from reports.studies import load
from reports.studies.components import FACTORS, OF_THE_WEIGHTS, contrast, effects

SHAPE = tuple(len(levels) for levels in FACTORS.values())


def additive() -> np.ndarray:
    """Three seeds; a level adds its number times 1, 10 or 100, a seed its number times 1000."""
    seeds, *levels = np.indices((3, *SHAPE)).astype(float)
    return 1000 * seeds + levels[0] + 10 * levels[1] + 100 * levels[2]


def test_of_what_only_adds_up_there_are_main_effects_and_no_interactions() -> None:
    sizes = dict(zip(FACTORS, (1, 10, 100), strict=True))
    for chosen in effects():
        found = contrast(additive(), chosen)
        (factor, level), *more = chosen.items()
        expected = 0 if more else sizes[factor] * FACTORS[factor].index(level)
        assert found == pytest.approx(np.full(3, expected))


def test_an_interaction_is_what_two_levels_do_together_beyond_what_they_do_alone() -> None:
    values = additive()
    values[:, 1, 2, :] += 6  # Dirichlet with L2
    together = {"sampler": "Dirichlet", "regulariser": "L2"}
    assert contrast(values, together) == pytest.approx(np.full(3, 6))
    assert contrast(values, {"sampler": "Dirichlet"}) == pytest.approx(np.full(3, 1 + 6 / 4))
    assert contrast(values, {"regulariser": "L2"}) == pytest.approx(np.full(3, 20 + 6 / 5))
    others = [chosen for chosen in effects() if len(chosen) == 2 and chosen != together]
    assert all(contrast(values, chosen) == pytest.approx(np.zeros(3)) for chosen in others)


def test_the_effects_are_all_there() -> None:
    counts = [sum(len(chosen) == order for chosen in effects()) for order in (1, 2)]
    assert counts == [4 + 3 + 1, 4 * 3 + 4 * 1 + 3 * 1]


@pytest.mark.parametrize("preset", ["mini", "paper"])
def test_the_samplers_train_their_weights_alike(tmp_path, preset) -> None:
    inputs = StudyInputs(read_preset(preset), tmp_path)
    planned = plan_variants(load("components").variants(inputs), inputs, [0])
    assert [tuple(variant.factors.values()) for variant, _ in planned] == list(
        product(FACTORS["sampler"], FACTORS["regulariser"])
    )
    supernets = [runs[0].stages[0].settings for _, runs in planned]
    for name in OF_THE_WEIGHTS:
        assert len({str(getattr(settings, name)) for settings in supernets}) == 1, name
    assert [runs[0].stages[1].method for _, runs in planned] == ["pt"] * 20
    assert {settings.strength for settings in supernets} == {0.0, 50.0, 0.25}
    assert len({runs[0].settings_hash for _, runs in planned}) == 20
