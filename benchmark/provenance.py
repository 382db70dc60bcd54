"""Records in a results folder what ran there: command, settings with their sources, program, machine and data."""

from __future__ import annotations

import dataclasses
import platform
import re
import shlex
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from benchmark.describe import field_docs, split_in
from benchmark.plan import Run, Stage, split_key, stage_names
from benchmark.results_folder import ResultsFolder
from benchmark.settings import (
    ProblemSettings,
    Table,
    cores,
    plain_default,
    plain_value,
    read_preset,
    reason_of,
    reason_of_problem,
    table_of,
    written,
)
from data.folder import as_text, write_atomically
from data.truth import TruthTable
from reports.provenance import FILE, Entry, Provenance, Setting, read_provenance
from spaces.compiled import build, compiler, why_unavailable

PACKAGES = ("replica-201", "torch", "numpy", "scipy", "pandas", "scikit-learn", "analog-nasbench")
"""Those that a number can depend on."""


@dataclasses.dataclass(frozen=True)
class RecordedCommand:
    """A command that searches."""

    arguments: Sequence[str]
    """As typed, after `python -m benchmark`."""
    preset: str
    device: str

    @contextmanager
    def recorded(self, results: ResultsFolder, runs: Sequence[Run], to_do: int, truth: TruthTable) -> Iterator[None]:
        """Adds this command to the folder's provenance before the searches inside begin, and at the end their time.

        Raises:
            RowsError: where the folder's provenance is damaged.
        """
        before = read_provenance(results.out) or Provenance()
        entry = self.entry(runs, to_do, truth)
        started = time.perf_counter()

        def write(entry: Entry) -> None:
            write_atomically(results.out / FILE, Provenance((*before.commands, entry)).encoded())

        write(entry)
        yield
        seconds = round(time.perf_counter() - started, 1)
        write(dataclasses.replace(entry, wall_seconds=seconds))

    def entry(self, runs: Sequence[Run], to_do: int, truth: TruthTable) -> Entry:
        """What is recorded when the command begins; `to_do` of the runs are yet to be carried out."""
        commit, changed = checkout(Path(__file__).parent.parent)
        on_gpu = torch.device(self.device).type == "cuda"
        layers_of_cpu, compiled_by = (None, None) if on_gpu else layers()
        return Entry(
            command=without_home(shlex.join(["python", "-m", "benchmark", *self.arguments])),
            started=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            wall_seconds=None,
            methods=tuple(dict.fromkeys(run.method for run in runs)),
            seeds=tuple(dict.fromkeys(run.seed for run in runs)),
            runs=len(runs),
            to_do=to_do,
            preset=without_home(self.preset),
            settings=tuple(settings_of(self.preset, runs)),
            images=runs[0].problem.images,
            truth=as_text(truth.label),
            truth_checksum=truth.checksum,
            device=self.device,
            processor=processor(),
            cores=cores(),
            gpu=torch.cuda.get_device_name(self.device) if on_gpu else None,
            system=f"{platform.system()} {platform.machine()}",
            packages={
                "python": platform.python_version(),
                **{name: version(name) for name in PACKAGES},
                **c_library(),
                **({"cuda": str(torch.version.cuda)} if on_gpu else {}),
            },
            commit=commit,
            changed=changed,
            kernels=torch.backends.cpu.get_cpu_capability(),
            layers=layers_of_cpu,
            compiler=compiled_by,
        )


def settings_of(preset: str, runs: Sequence[Run]) -> list[Setting]:
    """Every setting that shapes these runs, each once: the problem's, then stage by stage those of each method."""
    tables = read_preset(preset)
    found = [*problem_settings(tables, runs[0].problem), *split_settings(tables, runs)]
    for run in {run.method: run for run in runs}.values():
        names = stage_names(run.method, [stage.method for stage in run.stages])
        for name, stage in zip(names, run.stages, strict=True):
            found += stage_settings(tables, stage, name)
    return list({setting.name: setting for setting in reversed(found)}.values())[::-1]


def problem_settings(tables: Table, problem: ProblemSettings) -> Iterator[Setting]:
    """Those of the problem but for its split, which is each method's own."""
    written_there, meanings = tables.get("problem", {}), field_docs(ProblemSettings)
    for field in dataclasses.fields(problem):
        if field.name == "split":
            continue
        value = plain_value(getattr(problem, field.name))
        source = "the program's default"
        if field.name in written_there:
            same = written_there[field.name] == value
            source = (
                reason_of_problem(tables, field.name) or "as in the preset"
                if same
                else f"changed; the preset has {written(written_there[field.name])}"
            )
        elif value != plain_default(field):
            source = "changed"
        yield Setting(f"problem.{field.name}", told(value), meanings.get(field.name, ""), source)


def split_settings(tables: Table, runs: Sequence[Run]) -> Iterator[Setting]:
    """The split of each method, by what it is called rather than by where it lies; once, where all have the same."""
    found = {}
    for run in runs:
        wanted, source = split_in(tables, split_key(run.method))
        if run.why:
            source = f"instead of {run.asked}: {run.why}"
        elif wanted != run.asked:
            source = f"changed; the preset has {wanted}"
        found[run.method] = run.split.label, source
    meaning = field_docs(ProblemSettings)["split"]
    if len(set(found.values())) == 1:
        found = {"": next(iter(found.values()))}
    for method, (label, source) in found.items():
        yield Setting(f"problem.split{method and f'.{method}'}", label, meaning, source)


def stage_settings(tables: Table, stage: Stage, name: str) -> Iterator[Setting]:
    """Those of a stage, which the preset's tables call `name`: a method, or the supernet that a method starts from."""
    meanings, follower = field_docs(type(stage.settings)), name.removesuffix(".supernet")
    own, of_supernet = table_of(tables, stage.method), follower != name and table_of(tables, follower)["supernet"]
    for field in dataclasses.fields(stage.settings):
        key, value = field.name, plain_value(getattr(stage.settings, field.name))
        there, reason = own.get(key, value), ""
        if key in own:
            reason = reason_of(tables, stage.method, key)
        if of_supernet and key in of_supernet:
            there, reason = of_supernet[key], reason_of(tables, follower, key, supernet=True)
        source = reason or "the program's default"
        if there != value:
            source = f"changed; the preset has {written(there)}"
        yield Setting(f"{name}.{key}", told(value), meanings.get(key, ""), source)


def told(value: Any) -> Any:
    """A value as it may be written down: without the user's home folder."""
    return without_home(value) if isinstance(value, str) else value


def without_home(text: str) -> str:
    """`text` with `~` for the user's home folder, as typed before the shell put its path there."""
    text = as_text(text)
    try:
        home = re.escape(as_text(str(Path.home())))
    except RuntimeError:  # a user without a home, as in some containers
        return text
    return re.sub(rf"(^|[\s='\",]){home}(?=[/\s'\",]|$)", r"\1~", text)


def with_home(text: str) -> str:
    """The inverse of `without_home`, for one word of a command."""
    try:
        home = str(Path.home())
    except RuntimeError:
        return text
    return re.sub(r"(^|[\s='\",])~(?=[/\s'\",]|$)", lambda found: f"{found[1]}{home}", text)


def layers() -> tuple[str, str | None]:
    """The build of the compiled layers on a CPU, `torch` where they are PyTorch's, and what compiled them."""
    if why_unavailable() is not None:
        return "torch", None
    command = compiler()
    try:
        told = subprocess.run(
            [*command, "--version"], capture_output=True, text=True, errors="replace", timeout=10, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        told = shlex.join(command)
    return build(), as_text(told.partition("\n")[0])


def c_library() -> dict[str, str]:
    """The C library and its version, where it tells them; Python's logarithms and cosines are its own."""
    name, number = platform.libc_ver()
    return {name: number} if name else {}


def processor() -> str:
    """The CPU's model."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text("utf-8", "replace"), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def checkout(root: Path) -> tuple[str | None, bool]:
    """The commit that `root` is a checkout of, and whether its files differ from it."""
    if not (root / ".git").exists():
        return None, False
    try:
        commit, changes = (
            subprocess.run(
                ["git", "-C", str(root), *command],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=10,
                check=True,
            )
            for command in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.SubprocessError):  # no git here, or not our repository
        return None, False
    return commit.stdout.strip(), bool(changes.stdout.strip())
