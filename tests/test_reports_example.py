"""A small results folder whose tables can be worked out by hand; the tests of `reports` write it and change it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.method_facts import write_method_facts
from methods import registry
from reports.rows import HISTORY_COLUMNS, RUN_COLUMNS, SCORE_COLUMNS, SPACE_COLUMNS, read_rows

SKIPS = "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|"
FOUR = "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|nor_conv_3x3~1|none~2|"
TWO = "|skip_connect~0|+|skip_connect~0|nor_conv_1x1~1|+|avg_pool_3x3~0|nor_conv_3x3~1|none~2|"
CONVS = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"

# method, seed, cell, accuracy, rank, other rule, its cell, its accuracy, seconds
RUNS: list[tuple[Any, ...]] = [
    ("darts", 0, SKIPS, 54.0, 15000, None, None, None, 50),
    ("darts", 1, FOUR, 90.0, 8000, None, None, None, 60),
    ("darts", 2, TWO, 93.0, 1001, None, None, None, 70),
    ("pt", 0, TWO, 92.0, 2500, "magnitude", FOUR, 90.0, 8),
    ("pt", 1, TWO, 92.0, 2500, "magnitude", TWO, 92.0, 9),
    ("pt", 2, CONVS, 94.0, 1, "magnitude", TWO, 93.0, 10),
]
SPACE = [("mean", 86.5), ("0.0", 10.0), ("0.5", 90.0), ("0.9", 93.0), ("1.0", 94.0)]


def runs() -> pd.DataFrame:
    rows = []
    for method, seed, cell, accuracy, rank, rule, other, other_accuracy, seconds in RUNS:
        rows.append(
            {
                "method": method,
                "seed": seed,
                "genotype": cell,
                "metric": "cifar10_test",
                "regret": 94.0 - accuracy,
                "rank": rank,
                "other_selection": rule,
                "other_genotype": other,
                "asks": None,
                "epochs": 3,
                "search_seconds": seconds,
                "device": "cpu",
                "images": "cifar10",
                "preset": "mini",
                "changes": None,
                "split": "halves",
                "as_published": False,
                "settings": {"darts": "aaaa", "pt": "bbbb"}[method],
                "truth": "AnalogNAS-Bench",
                "truth_checksum": "c0ffee",
                "version": "0.1.0",
                "cifar10_test": accuracy,
                "other_cifar10_test": other_accuracy,
            }
        )
    return pd.DataFrame(rows)


def history(of: pd.DataFrame | None = None, epochs: int = 3) -> pd.DataFrame:
    """Rising to the chosen cell; `pt` selects from epoch 3 on."""
    rows = []
    for run in (runs() if of is None else of).to_dict("records"):
        for epoch in range(1, epochs + 1):
            rows.append(
                {
                    "method": run["method"],
                    "seed": run["seed"],
                    "epoch": epoch,
                    "phase": "darts" if run["method"] == "pt" and epoch < 3 else run["method"],
                    "genotype": run["genotype"],
                    "skip_connects": str(run["genotype"]).count("skip"),
                    "cifar10_test": run["cifar10_test"] - (epochs - epoch),
                    "largest_weight": 0.2 + epoch / 10,
                    "train_loss": 2.3 / epoch,
                }
            )
    return pd.DataFrame(rows)


def scores(of: pd.DataFrame | None = None) -> pd.DataFrame:
    """Five cells a run, the better the higher their score; `pt` scores no cell."""
    pairs = [(-9.5, 10.0), (-9.4, 70.0), (-9.3, 90.0), (-9.2, 91.0), (-9.1, 93.5)]
    rows = [
        (run["method"], run["seed"], score, accuracy)
        for run in (runs() if of is None else of).to_dict("records")
        for score, accuracy in pairs
        if run["method"] != "pt"
    ]
    return pd.DataFrame(rows, columns=list(SCORE_COLUMNS))


def space(metrics: tuple[str, ...] = ("cifar10_test",)) -> pd.DataFrame:
    return pd.DataFrame([(metric, *row) for metric in metrics for row in SPACE], columns=list(SPACE_COLUMNS))


def write(
    folder: Path,
    runs_: pd.DataFrame | None = None,
    history_: pd.DataFrame | None = None,
    space_: pd.DataFrame | None = None,
    scores_: pd.DataFrame | None = None,
) -> Path:
    """The example in `folder`, with the given tables in place of its own, and what the methods of all ours say."""
    write_method_facts(folder, [*registry.names(), "bdarts+pt"])
    (runs() if runs_ is None else runs_).to_csv(folder / "runs.csv", index=False)
    (history(runs_) if history_ is None else history_).to_csv(folder / "history.csv", index=False)
    (scores(runs_) if scores_ is None else scores_).to_csv(folder / "scores.csv", index=False)
    (space() if space_ is None else space_).to_csv(folder / "space.csv", index=False)
    return folder


def test_example_has_the_rows_of_a_results_folder(tmp_path: Path) -> None:
    write(tmp_path)
    columns = {"runs": RUN_COLUMNS, "history": HISTORY_COLUMNS, "scores": SCORE_COLUMNS, "space": SPACE_COLUMNS}
    for name, of_file in columns.items():
        assert not read_rows(tmp_path, f"{name}.csv", of_file).empty
