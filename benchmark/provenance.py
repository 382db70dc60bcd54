"""Records in a results folder what ran there: command, settings with their sources, program, machine and data."""

from __future__ import annotations

import dataclasses
import platform
import re
import shlex
import subprocess
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import tomlkit
import torch

from benchmark.describe import field_docs, written_split, written_value
from benchmark.energy import Meter, counters
from benchmark.plan import Run, split_key, stage_names
from benchmark.results_folder import Results
from benchmark.settings import ProblemSettings, cores, plain_value, preset_documents
from data.folder import as_text, write_atomically
from data.truth import TruthTable
from reports.provenance import FILE, Entry, Provenance, Setting, read_provenance
from spaces.compiled import build, compiler, why_unavailable

PACKAGES = ("replica-201", "torch", "numpy", "scipy", "pandas", "scikit-learn", "analog-nasbench")
"""Those that a number can depend on."""


@dataclasses.dataclass(frozen=True)
class Command:
    """A command that searches."""

    arguments: Sequence[str]
    """As typed, after `python -m benchmark`."""
    preset: str
    device: str

    @contextmanager
    def recorded(self, results: Results, runs: Sequence[Run], to_do: int, truth: TruthTable) -> Iterator[None]:
        """Adds this command to the folder's provenance before the searches inside begin, and at the end their time and,
        where the device tells it, energy.

        Raises:
            RowsError: where the folder's provenance is damaged.
        """
        before = read_provenance(results.out) or Provenance()
        entry = self.entry(runs, to_do, truth)
        started = time.perf_counter()

        def write(entry: Entry) -> None:
            write_atomically(results.out / FILE, Provenance((*before.commands, entry)).encoded())

        write(entry)
        with Meter(counters(self.device)) as energy:
            yield
        seconds = round(time.perf_counter() - started, 1)
        joules = None if energy.joules is None else round(energy.joules, 1)
        write(dataclasses.replace(entry, wall_seconds=seconds, energy_joules=joules))

    def entry(self, runs: Sequence[Run], to_do: int, truth: TruthTable) -> Entry:
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
    documents = preset_documents(preset)
    problem = runs[0].problem
    of_problem = [
        *stage_settings(documents, problem, "problem", [["problem"]], without=("split",)),
        *split_settings(documents, runs),
    ]
    found = {setting.name: setting for setting in of_problem}
    for run in {run.method: run for run in runs}.values():
        names = stage_names(run.method, [stage.method for stage in run.stages])
        for name, stage in zip(names, run.stages, strict=True):
            places = [[stage.method]] if name == stage.method else [name.split("."), [stage.method]]
            for setting in stage_settings(documents, stage.settings, name, places):
                found.setdefault(setting.name, setting)
    return list(found.values())


def split_settings(documents: Sequence[tomlkit.TOMLDocument], runs: Sequence[Run]) -> Iterator[Setting]:
    """The split of each method, by what it is called rather than by where it lies; once, where all have the same."""
    found = {}
    for run in runs:
        wanted, comment = written_split(documents, split_key(run.method))
        if run.why:
            source = f"instead of {run.asked}: {run.why}"
        elif wanted == run.asked:
            source = comment or "the program's default"
        else:
            source = f"changed; the preset has {wanted}"
        found[run.method] = run.split.label, source
    meaning = field_docs(ProblemSettings)["split"]
    if len(set(found.values())) == 1:
        found = {"": next(iter(found.values()))}
    for method, (label, source) in found.items():
        yield Setting(f"problem.split{method and f'.{method}'}", label, meaning, source)


def stage_settings(
    documents: Sequence[tomlkit.TOMLDocument],
    settings: Any,
    name: str,
    places: Sequence[list[str]],
    without: Sequence[str] = (),
) -> Iterator[Setting]:
    """The fields of `settings` but for those `without`; their sources stand in the preset at the first of `places` that
    has the same value."""
    meanings = field_docs(type(settings))
    for field in dataclasses.fields(settings):
        if field.name in without:
            continue
        value = plain_value(getattr(settings, field.name))  # as it will be read again
        written = [written_value(documents, [*place, field.name]) for place in places]
        given = [(text, comment) for text, comment in written if text is not None]
        same = [comment for text, comment in given if tomllib.loads(f"value = {text}")["value"] == value]
        if same:
            source = same[0] or "as in the preset"
        elif given:
            source = f"changed; the preset has {given[-1][0]}"
        else:
            source = "the program's default" if getattr(settings, field.name) == field.default else "changed"
        yield Setting(
            f"{name}.{field.name}",
            without_home(value) if isinstance(value, str) else value,
            meanings.get(field.name, ""),
            source,
        )


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
