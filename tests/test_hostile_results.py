"""Results folders and studies from nobody knows where: read, or refused in one sentence."""

import functools
import itertools
import random
import shutil
from pathlib import Path

import pytest
from hostile import WORST, answer, contents, damaged

from reports import RowsError
from reports.provenance import read_provenance
from reports.results import read_results
from reports.study_report import read_study

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "results" / "mini-cifar10"
STUDY = ROOT / "results" / "precision-mini"


def read(reader, folder):
    try:
        reader(folder)
    except RowsError as error:
        assert str(error)
        return False
    return True


def copy_of(source, folder):
    """The files that a results folder or a study is read from."""
    for path in (*source.rglob("*.csv"), *source.rglob("*.json")):
        target = folder / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return folder


def other_cells(content, count, seed):
    """The rows with single cells put in place of others, since most accidents of bytes only end a number."""
    numbers = random.Random(seed)
    lines = [line.split(b",") for line in content.splitlines()]
    for _ in range(count):
        spoilt = [list(line) for line in lines]
        for _ in range(numbers.choice((1, 1, 3))):
            column, row = numbers.randrange(len(lines[0])), numbers.randrange(len(lines))
            value = numbers.choice((*WORST, b"1.5", b"True", numbers.choice(numbers.choice(lines))))
            for place in range(1, len(lines)) if numbers.random() < 0.4 else (row,):
                spoilt[place][column : column + 1] = [value]
        yield b"\n".join(b",".join(line) for line in spoilt) + b"\n"


@pytest.mark.parametrize("name", ["runs.csv", "history.csv", "space.csv", "scores.csv", "second-opinion.csv"])
def test_damaged_rows_are_read_or_refused(tmp_path, name):
    folder = copy_of(EXAMPLE, tmp_path)
    if name == "scores.csv" and not (folder / name).exists():  # a folder of a search that scores cells has one
        rows = [f"{method},{seed},{0.1 * seed},{80 + seed}" for method in ("darts", "rlnas") for seed in range(5)]
        (folder / name).write_text("\n".join(["method,seed,score,accuracy", *rows]) + "\n")
    if name == "second-opinion.csv" and not (folder / name).exists():
        rows = [f"{method},{seed},cifar10_test,{80 + seed},x,y" for method in ("darts", "rlnas") for seed in range(5)]
        (folder / name).write_text("\n".join(["method,seed,metric,accuracy,truth,truth_checksum", *rows]) + "\n")
    content = (folder / name).read_bytes()
    lines = content.splitlines(keepends=True)
    few = b"".join([lines[0], *lines[1 :: max(1, len(lines) // 30)]]) if name != "space.csv" else content
    spoilt = [
        *damaged(few, 40),
        *other_cells(few, 50, seed=1),
        b"",
        b"\n",
        lines[0],
        lines[0] * 2,
        b"\xff\xfe",
        b"\0" * 99,
    ]
    for one in spoilt:
        (folder / name).write_bytes(one)
        read(read_results, folder)
    (folder / name).unlink()
    read(read_results, folder)
    (folder / name).mkdir()
    assert not read(read_results, folder)


def test_what_can_be_read_can_be_reported_and_compared(tmp_path):
    """The rest of the way, for some: whatever the reader lets through must not trip the tables."""
    right = copy_of(EXAMPLE, tmp_path / "right")
    folder = copy_of(EXAMPLE, tmp_path / "wrong")
    for name, seed in (("runs.csv", 11), ("history.csv", 12), ("space.csv", 13)):
        content = (folder / name).read_bytes()
        for one in itertools.chain(damaged(content, 3, seed=seed), other_cells(content, 6, seed=seed)):
            (folder / name).write_bytes(one)
            for line in ((right, folder), (folder, right)):
                answer("compare", *map(str, line))
        (folder / name).write_bytes(content)


def test_damaged_provenance_is_read_or_refused(tmp_path):
    content = (EXAMPLE / "provenance.json").read_bytes()
    deep = b'{"commands": ' + b"[" * 100_000
    for one in (
        *damaged(content, 120),
        deep,
        b'{"commands": [' + b'{"a":' * 50_000,
        b"[]",
        b"null",
        b'"x"',
        b"9" * 5000,
    ):
        (tmp_path / "provenance.json").write_bytes(one)
        read(read_provenance, tmp_path)
    (tmp_path / "provenance.json").unlink()
    (tmp_path / "provenance.json").mkdir()
    assert not read(read_provenance, tmp_path)


def test_damaged_studies_are_read_or_refused(tmp_path):
    folder = copy_of(STUDY, tmp_path)
    content = (folder / "variants.csv").read_bytes()
    for one in itertools.chain(damaged(content, 60), other_cells(content, 60, seed=2)):
        (folder / "variants.csv").write_bytes(one)
        read(read_study, folder)


def test_damaged_folders_are_reported_or_refused(tmp_path, monkeypatch):
    """The whole command, in one process, on rows that are few so that it is quick."""
    monkeypatch.setattr("benchmark.settings.cores", functools.partial(int, 1))
    folder = copy_of(STUDY, tmp_path / "study")
    assert answer("report", str(folder))[0] == 0
    before = contents(folder)
    for one in (
        *(b"study,variant\nbudget,fp32\n", b"study,variant\nregularisers,fp32\n", b"study,variant\ntransfer,fp32\n"),
        *(
            b"study,variant\nbudget,fp32\nbudget,fp32\n",
            b"study,variant\nprecision,\n",
            b"study,variant\nprecision,.\n",
        ),
        *(b"study,variant,regulariser,strength\nregularisers,fp32,beta,x\n", b"study,variant\ndiscretisation,fp32\n"),
        *(b"study,variant,condition\ncollapse,fp32,as the preset\n", b"study,variant,condition\ncollapse,fp32,x\n"),
        *(b"study,variant,epochs_share,images_share\nbudget,fp32,2,1\n", b"study,variant\nprecision,../../../etc\n"),
        *(
            b"study,variant,epochs_share,images_share\nbudget,fp32,1,1\nbudget,bf16,x,1\n",
            b"study,variant\nprecision,fp32\n",
        ),
        b"study,variant,searched_on\ntransfer," + b"x" * 5000 + b",cifar10\n",
    ):
        (folder / "variants.csv").write_bytes(one)
        code, said = answer("report", str(folder))
        assert code == 2, (one, said)
    assert contents(folder) == before | {"variants.csv": one}
    folder = copy_of(EXAMPLE, tmp_path / "example")
    before = contents(folder)
    for name, one in (
        *((name, b"") for name in ("runs.csv", "history.csv", "space.csv", "provenance.json")),
        ("runs.csv", before["runs.csv"].replace(b"cifar10_test", b"seed")),
        ("runs.csv", before["runs.csv"].replace(b",cifar10_test,", b",epochs,")),
        ("provenance.json", b"[" * 100_000),
    ):
        (folder / name).write_bytes(one)
        code, said = answer("report", str(folder))
        assert code == 2, (name, one[:50], said)
        assert contents(folder) == before | {name: one}
        (folder / name).write_bytes(before[name])
