"""A real run, killed again and again, at random moments and inside its writes, ends as if nothing had happened."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parent.parent
RUN = ["run", "--methods", "rlnas,pt", "--seeds", "4", "--preset", "smoke", "--epochs", "5", "--jobs", "1"]

# One process imports everything once and forks one attempt after the other: it has computed nothing, so that is safe.
DRIVER = '''
import json, os, random, signal, sys
from pathlib import Path
import benchmark.experiment, matplotlib.figure, reports.write, sklearn.datasets
from benchmark.cli import main

arguments, log = json.loads(sys.argv[1]), Path(sys.argv[2])
randomly = random.Random(0)


def die(where):
    with log.open("a") as file:
        file.write(where + "\\n")
    os.kill(os.getpid(), signal.SIGKILL)


def die_in_a_write(name, phase, count):
    """Kills this process in the count-th write of a file with `name` in its name."""
    fsync, replace = os.fsync, Path.replace
    seen = 0

    def counted(path, here):
        nonlocal seen
        if name in path and here == phase:
            seen += 1
            if seen == count:
                die(f"{phase} {name}")

    def dying_fsync(file):
        path = os.readlink(f"/proc/self/fd/{file}")
        counted(path, "half written:")
        fsync(file)

    def dying_replace(self, target):
        counted(str(target), "before the renaming:")
        renamed = replace(self, target)
        counted(str(target), "after the renaming:")
        return renamed

    os.fsync, Path.replace = dying_fsync, dying_replace


def attempt(prepare):
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        prepare()
        os._exit(main(arguments))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def by_the_clock():
    signal.setitimer(signal.ITIMER_REAL, randomly_at)  # its signal ends a process that does not handle it


plans = [
    (name, phase, count)
    for phase in ("half written:", "before the renaming:", "after the renaming:")
    for name, count in ((".safetensors", 3), (".previous", 2), ("history.csv", 1), ("runs.csv", 1), ("scores.csv", 1))
    if (name, phase) != (".previous", "half written:")
]
plans += [("provenance.json", "half written:", 1)]
plans += [("summary.md", "half written:", 1), ("summary.md", "after the renaming:", 1)]
randomly.shuffle(plans)
plans.sort(key=lambda plan: plan[0] == "summary.md")  # which is written when all runs are done
ended = []
for number, plan in enumerate(plans):
    if number % 2 == 0:
        randomly_at = randomly.uniform(0.1, 0.7)
        ended.append(attempt(by_the_clock))
    ended.append(attempt(lambda: die_in_a_write(*plan)))
ended.append(attempt(lambda: None))
print(json.dumps(ended))
'''


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed")
    subprocess.run([sys.executable, "-m", "benchmark", *RUN, "--out", str(out)], check=True, capture_output=True)
    return out


@pytest.mark.skipif(not hasattr(os, "fork") or not Path("/proc/self/fd").exists(), reason="needs fork and /proc")
def test_killed_at_any_moment_it_ends_the_same(undisturbed, tmp_path):
    out, log = tmp_path / "out", tmp_path / "kills.txt"
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, json.dumps([*RUN, "--out", str(out)]), str(log)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    *killed, last = json.loads(done.stdout)
    assert last == 0, done.stderr
    assert -signal.SIGALRM in killed, "some by the clock"
    places = log.read_text()
    for name in (".safetensors", ".previous", "history.csv", "runs.csv", "scores.csv", "summary.md"):
        assert name in places, "a kill in each kind of write"
    for name in ("history.csv", "scores.csv", "space.csv"):
        assert (out / name).read_bytes() == (undisturbed / name).read_bytes()
    runs, expected = (pd.read_csv(folder / "runs.csv").drop(columns="search_seconds") for folder in (out, undisturbed))
    pd.testing.assert_frame_equal(runs, expected)
    assert not list(out.rglob("*.partial")), "what a killed process left half written is gone"
    assert not list(out.rglob("*.damaged"))
