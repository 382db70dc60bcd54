"""The statistics of the studies on cases worked out by hand, and the folders that must be refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import test_reports_example as example

from reports import RowsError, studies
from reports.statistics import finite_spread, last
from reports.studies import load, names
from reports.studies.discretisation import by_operation, edge_correlations
from reports.study_report import read_study, write_study
from spaces import NASBENCH201
from spaces.nasbench201.cell import OPERATIONS


def test_every_file_of_the_folder_is_a_study_that_asks_something() -> None:
    files = {path.stem for path in Path(studies.__file__).parent.glob("*.py")} - {"__init__"}
    assert set(names()) == files
    assert all(load(name).question.endswith("?") for name in names())


def test_the_order_on_an_edge_is_compared_by_pairs() -> None:
    def tau(first: list[float], second: list[float]) -> float:
        return edge_correlations({"one": np.array([[first]]), "other": np.array([[second]])}, "one", "other")[0, 0]

    assert tau([1, 2, 3, 4], [1, 2, 3, 4]) == pytest.approx(1)
    assert tau([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
    # Six pairs: five in order, one (3, 4) not.
    assert tau([1, 2, 3, 4], [1, 2, 4, 3]) == pytest.approx(4 / 6)
    # Three pairs: two in order, one tied in the first vector; √(3 − 1) · √(3 − 0) of them count.
    assert tau([1, 1, 2], [1, 2, 3]) == pytest.approx(2 / np.sqrt(2 * 3))
    assert np.isnan(tau([1, 1, 1], [1, 2, 3]))


def test_last_is_of_the_last_epoch_that_has_a_value() -> None:
    found = last(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, np.nan], [np.nan] * 3]))
    assert found[:2].tolist() == [3, 5]
    assert np.isnan(found[2])


def test_what_is_present_is_averaged() -> None:
    assert finite_spread(np.array([1.0, np.nan, 3.0])) == (2.0, np.sqrt(2))
    assert np.isnan(finite_spread(np.array([np.nan])).mean)


def measured() -> pd.DataFrame:
    """Two seeds; α orders the operations of each edge as the accuracy does for seed 0, the other way for seed 1."""
    rows = [
        {
            "seed": seed,
            "edge": edge,
            "operation": operation,
            "weight": number if seed == 0 else -number,
            "pt_score": 0.0,
            "discretisation_accuracy": 10 * edge + number,
        }
        for seed in (0, 1)
        for edge in range(6)
        for number, operation in enumerate(OPERATIONS)
    ]
    return pd.DataFrame(rows).sample(frac=1, random_state=0)


def test_operations_are_laid_out_by_seed_edge_and_operation() -> None:
    laid = by_operation(NASBENCH201, measured(), "discretisation_accuracy", Path())
    assert laid.shape == (2, 6, 5)
    assert laid[1, 4].tolist() == [40, 41, 42, 43, 44]
    with pytest.raises(RowsError, match="once for each seed"):
        by_operation(NASBENCH201, measured().iloc[1:], "weight", Path())
    with pytest.raises(RowsError, match="once for each seed"):
        by_operation(NASBENCH201, measured().replace("none", "nothing"), "weight", Path())


def test_the_order_by_alpha_is_compared_edge_by_edge() -> None:
    names = ("weight", "pt_score", "discretisation_accuracy")
    found = {name: by_operation(NASBENCH201, measured(), name, Path()) for name in names}
    taus = edge_correlations(found, "weight", "discretisation_accuracy")
    assert taus == pytest.approx(np.array([[1.0] * 6, [-1.0] * 6]))
    assert np.isnan(edge_correlations(found, "pt_score", "discretisation_accuracy")).all()
    found["effect"] = np.broadcast_to([0.0, 1.0, 2.0, 4.0, 3.0], (1, 6, 5))
    assert edge_correlations(found, "weight", "effect")[0] == pytest.approx(np.full(6, 0.8))


def budget(folder: Path) -> Path:
    """DARTS alone: 54, 90 and 93 % with the whole, one point less with half of the epochs."""
    variants = [("whole", "1", "1", 0.0), ("epochs-1of2", "1/2", "1", 1.0), ("images-1of2", "1", "1/2", -1.0)]
    for name, _, _, less in variants:
        (folder / name).mkdir()
        runs = example.runs()
        runs = runs[runs["method"] == "darts"].assign(cifar10_test=lambda rows, less=less: rows["cifar10_test"] - less)
        example.write(folder / name, runs)
    rows = [("budget", *variant[:3]) for variant in variants]
    columns = ["study", "variant", "epochs_share", "images_share"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "variants.csv", index=False)
    return folder


def test_differences_of_a_budget_are_paired_by_seed(tmp_path: Path) -> None:
    table, text = load("budget").table(read_study(budget(tmp_path)))
    assert table.set_index("variant")["difference_mean"].to_dict() == {"whole": 0, "epochs-1of2": -1, "images-1of2": 1}
    assert (table["difference_std"] == 0).all()
    assert table["cifar10_test_mean"].tolist() == [79, 78, 80]
    assert "| DARTS  | 1/2    | 1      |" in text
    assert "−1.00 ± 0.00" in text


def test_a_study_is_drawn_the_same_each_time(tmp_path: Path) -> None:
    first = {path: path.read_bytes() for path in write_study(budget(tmp_path))}
    assert {path: path.read_bytes() for path in write_study(tmp_path)} == first
    assert "Few seeds prove little" in (tmp_path / "study.md").read_text()


def test_two_truth_tables_make_no_study(tmp_path: Path) -> None:
    runs = pd.read_csv(budget(tmp_path) / "whole" / "runs.csv")
    runs.assign(truth_checksum="other").to_csv(tmp_path / "whole" / "runs.csv", index=False)
    with pytest.raises(RowsError, match="mixes the truth tables"):
        read_study(tmp_path)


def test_an_unknown_study_is_refused(tmp_path: Path) -> None:
    rows = pd.read_csv(budget(tmp_path) / "variants.csv")
    rows.assign(study="guess").to_csv(tmp_path / "variants.csv", index=False)
    with pytest.raises(RowsError, match="the study must be one of"):
        read_study(tmp_path)
