"""`benchmark speed`: what a step of a search takes, beside a reference program's step and beside the machine's limits.

All implementations take turns in one process, in the opposite order in every other round, so that a slow moment of the
machine meets all of them alike; so do the matrix product and the copy that the floor is made of (`speed_floor`). Times
are medians over the rounds, and so are the ratios, each of which compares times of one round.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmark.outputs import check_out_file
from benchmark.speed_rows import (
    FASTER,
    OURS,
    TOLERANCE,
    Timing,
    TimingComparison,
    compare,
    read_rows,
    recorded_rows,
    write_rows,
)
from data.folder import Progress

if TYPE_CHECKING:
    import torch
    from rich.console import Console

    from benchmark.speed_steps import Implementation

SIZES = ("paper", "proxy", "mini")
"""The presets whose networks, images, batches and threads are measured."""

PEERS = ("xautodl",)
"""The reference programs."""

SECONDS = 1.0
"""Each implementation is measured for at least so long, but in no more than `MOST_ROUNDS`."""

FEWEST_ROUNDS, MOST_ROUNDS = 5, 40
"""Of a median of five, two may be disturbed."""


def run_speed(
    sizes: Sequence[str],
    steps: Sequence[str],
    peer: str | None,
    device: torch.device,
    rounds: int | None,
    out: Path | None,
    recorded: Path | None,
    console: Console,
) -> int:
    """Measure, print the table, add the rows to `out`, compare with `recorded`.

    Returns:
        The exit code: 1 for a ratio worse than recorded, else 0.

    Raises:
        SettingsError: where the peer is not installed, a file cannot be used, or nothing of this is recorded.
    """
    from benchmark.progress import Fetching
    from benchmark.runner import keep_freed_memory
    from benchmark.speed_steps import confine_reference, device_name, networks_of

    confine_reference()
    keep_freed_memory()
    if peer:
        networks_of(peer)
    name = device_name(device)
    wanted = [(name, size, step) for size in sizes for step in steps]
    kept: list[Timing] = []
    if out:
        check_out_file(out)
        kept = [row for row in (read_rows(out) if out.exists() else []) if row.measured not in wanted]
    before = recorded_rows(recorded, wanted) if recorded else {}
    rows: list[Timing] = []
    with Fetching(console) as progress:
        for _, size, step in wanted:
            rows += measure(size, step, peer, device, rounds, progress)
            if out:  # after each, since all of them take minutes
                write_rows(out, kept + rows)
    console.print(f"{name}\n\n{table(rows, peer)}")
    if not recorded:
        return 0
    comparisons = compare(rows, before)
    console.print(f"\nBeside {recorded}:\n\n{comparison_table(comparisons)}")
    if missing := [" ".join(measured[1:]) for measured in wanted if measured not in before]:
        console.print(f"\nNot recorded: {', '.join(missing)}")
    return int(any(comparison.verdict == "worse" for comparison in comparisons))


def measure(
    size: str, step: str, peer: str | None, device: torch.device, rounds: int | None, progress: Progress
) -> list[Timing]:
    """The rows of one step: the peer's, where there is one, and ours."""
    from benchmark import speed_floor, speed_steps

    title = f"{size} {step}"
    progress(title, 0, 0)
    ours = speed_steps.Ours(size, step, device)
    implementations: dict[str, Implementation] = {OURS: ours}
    if peer:
        implementations = {peer: speed_steps.Reference(peer, step, ours, device), OURS: ours}
    work = speed_floor.work(speed_floor.passes(step), ours.network)
    probe = speed_floor.Probe(device, work.working_set)

    def turns(count: int, rounds: int, report: Callable[[int], None] = lambda done: None) -> dict[str, list[float]]:
        runs = {name: functools.partial(each.run, count) for name, each in implementations.items()}
        return take_turns({**probe.tasks, **runs}, rounds, device, report)

    # Paths differ in what they cost, so a round takes as many as there are batches for.
    fewest = speed_steps.BATCHES if step == "single-path" else 1
    turns(fewest, 1)  # warm-up
    peaks = {name: speed_steps.peak_bytes(each, fewest, device) for name, each in implementations.items()}
    trial = turns(fewest, 1)
    took = [trial[name][0] / fewest for name in implementations]
    count = max(fewest, min(math.ceil(SECONDS / 4 / max(took)), speed_steps.BATCHES))
    total = rounds or max(FEWEST_ROUNDS, min(math.ceil(SECONDS / count / min(took)), MOST_ROUNDS))
    seconds = turns(count, total, lambda done: progress(title, done, total))

    floors = [
        probe.floor(work, multiplied, copied)
        for multiplied, copied in zip(*(seconds[name] for name in probe.tasks), strict=True)
    ]
    rows = []
    for name in implementations:
        each = [taken / count for taken in seconds[name]]
        faster = ratio(seconds[peer], seconds[name]) if peer else None
        rows.append(
            Timing(
                device=speed_steps.device_name(device),
                size=size,
                step=step,
                implementation=name,
                ms=1e3 * median(each),
                times_faster_than_reference=faster,
                times_floor=ratio(each, floors),
                peak_mb=peaks[name] / 1e6,
            )
        )
    return rows


def ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """The median of the quotients."""
    return median(a / b for a, b in zip(above, below, strict=True))


def take_turns(
    tasks: Mapping[str, Callable[[], None]], rounds: int, device: torch.device, report: Callable[[int], None]
) -> dict[str, list[float]]:
    """The seconds that each task took in each round; `report` is told how many rounds are done."""
    from benchmark.speed_steps import synchronise

    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for done in range(rounds):
        for name in list(tasks)[:: -1 if done % 2 else 1]:
            synchronise(device)
            started = time.perf_counter()
            tasks[name]()
            synchronise(device)
            seconds[name].append(time.perf_counter() - started)
        report(done + 1)
    return seconds


def table(rows: Sequence[Timing], peer: str | None) -> str:
    """As Markdown."""
    from reports.tables import markdown_table, number

    header = ("Size", "Step", "Implementation", "ms", f"× faster than {peer or 'reference'}", "× floor", "Peak (MB)")
    cells = [
        (
            row.size,
            row.step,
            row.implementation,
            number(row.ms, 1),
            "" if row.times_faster_than_reference is None else number(row.times_faster_than_reference),
            number(row.times_floor),
            number(row.peak_mb, 1),
        )
        for row in rows
    ]
    return markdown_table(header, cells, left=3)


def comparison_table(comparisons: Sequence[TimingComparison]) -> str:
    """As Markdown."""
    from reports.tables import markdown_table, number

    header = ("Size", "Step", "Ratio", f"±{TOLERANCE:.0%}", "Recorded", "Now")
    cells = [
        (
            c.row.size,
            c.row.step,
            "× faster" if c.ratio == FASTER else "× floor",
            c.verdict,
            number(c.recorded),
            number(c.now),
        )
        for c in comparisons
    ]
    return markdown_table(header, cells, left=4)
