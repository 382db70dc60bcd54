"""The NAS-Bench-201 that comes with the program, in the forms of a release."""

import csv
from functools import cache
from pathlib import Path

from data.metrics import EPOCHS, FLOPS, IMAGES, INDEX, METRICS, PARAMS, SEEDS, accuracy_column, seconds_column
from data.shipped import RUN_BY_RUN, TIMED, read_shipped
from spaces import Cell


@cache
def columns():
    """Each column as a list, by position; None where not measured."""
    return {name: [column.value(position) for position in range(15_625)] for name, column in read_shipped().items()}


def csv_names():
    """What a CSV calls each column."""
    names = {INDEX: INDEX, PARAMS: PARAMS, FLOPS: FLOPS, "runs_cifar10_200": "runs"}
    for metric in METRICS:
        for epochs in EPOCHS:
            seeds = SEEDS if epochs == 200 and metric in RUN_BY_RUN else ()
            for name in (accuracy_column(metric, epochs), *(accuracy_column(metric, epochs, seed) for seed in seeds)):
                names[name] = name.replace("-120", "")
    short = {training: training.replace("-valid", "_valid").replace("-120", "") for training in TIMED}
    return names | {seconds_column(training, 200): f"train_seconds_{short[training]}" for training in TIMED}


def csv_rows():
    """A row a cell in the official order, its accuracies rounded as such files have them."""
    names, numbers = csv_names(), columns()
    for cell in sorted(Cell.all(), key=lambda cell: numbers[INDEX][cell.position]):
        row = {"arch": str(cell)}
        for ours, theirs in names.items():
            value = numbers[ours][cell.position]
            whole = theirs in (INDEX, PARAMS, "runs")
            row[theirs] = "" if value is None else int(value) if whole else repr(round(value, 6))
        yield row


def write_csv(path: Path) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["arch", *csv_names().values()])
        writer.writeheader()
        writer.writerows(csv_rows())
    return path


def counts(metric: str, epochs: int, position: int) -> tuple[int, int]:
    """The sum of the counts of all runs, and their number."""
    training = "cifar10-valid" if metric == "cifar10_valid" else metric.split("_")[0]
    runs = int(columns()[f"runs_{training}_{epochs}"][position])
    return round(columns()[accuracy_column(metric, epochs)][position] * runs * IMAGES[metric] / 100), runs
