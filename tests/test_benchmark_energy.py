"""The energy of a command, from counters that count by hand."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from benchmark.cli import main
from benchmark.energy import Counter, Meter, counters
from reports.provenance import read_provenance

RANGE = 262_143_328_850


def zone(powercap: Path, name: str, of: str, count: int) -> Path:
    folder = powercap / name
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{of}\n")
    (folder / "max_energy_range_uj").write_text(f"{RANGE}\n")
    (folder / "energy_uj").write_text(f"{count}\n")
    return folder / "energy_uj"


def test_the_packages_of_a_processor_add_up_and_their_counters_start_anew(tmp_path: Path) -> None:
    first = zone(tmp_path, "intel-rapl:0", "package-0", RANGE - 1_000_000)
    second = zone(tmp_path, "intel-rapl:1", "package-1", 0)
    for name, of in (("intel-rapl:0:0", "core"), ("intel-rapl:2", "psys"), ("intel-rapl-mmio:0", "package-0")):
        zone(tmp_path, name, of, 0).write_text("no number")
    (tmp_path / "intel-rapl").mkdir()
    with Meter(counters("cpu", tmp_path)) as meter:
        assert meter.joules is None, "nothing yet"
        second.write_text("500000\n")
        meter.poll()
        assert meter.joules == pytest.approx(0.5)
        first.write_text("3000000\n")  # 1 J to the end, and 3 J from 0 on
        meter.poll()
        assert meter.joules == pytest.approx(4.5)
        first.write_text("4000000\n")
    assert meter.joules == pytest.approx(5.5)
    assert not meter.thread.is_alive()


@pytest.mark.parametrize("kind", ["none", "no zones", "unreadable", "no number"])
def test_a_processor_that_tells_nothing_is_unknown(kind: str, tmp_path: Path) -> None:
    powercap = tmp_path / "powercap"
    if kind != "none":
        powercap.mkdir()
    if kind == "unreadable":  # as for all but root, to whom no mode of a file says no
        count = zone(powercap, "intel-rapl:0", "package-0", 0)
        count.unlink()
        count.mkdir()
    if kind == "no number":
        zone(powercap, "intel-rapl:0", "package-0", 0).write_text("")
    assert counters("cpu", powercap) == []
    with Meter([]) as meter:
        pass
    assert meter.joules is None


def counting(*counts: int | Exception) -> Callable[[], int]:
    left = list(counts)

    def read() -> int:
        if isinstance(now := left.pop(0), Exception):
            raise now
        return now

    return read


@pytest.mark.parametrize(
    ("counts", "joules"),
    [
        ((10, 15, 30), 20.0),
        ((10, 10, 10), None),  # it stands still
        ((10, 15, 3), None),  # set back
        ((10, OSError("gone"), 30), None),
        ((OSError("gone"), 15, 30), None),
    ],
)
def test_the_sum_of_a_counter_is_known_or_not(counts: tuple[int | Exception, ...], joules: float | None) -> None:
    with Meter([Counter(counting(*counts), 1.0)]) as meter:
        meter.poll()
    assert meter.joules == joules


def test_it_is_read_while_the_command_runs() -> None:
    meter = Meter([Counter(lambda: 0, 1.0)], pause=0.0)
    polled = meter.over.__class__()
    meter.poll = polled.set  # type: ignore[method-assign]
    with meter:
        polled.clear()
        assert polled.wait(60)


class NVMLError(Exception):
    pass


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A machine with one GPU, and NVML."""
    module = ModuleType("pynvml")
    module.nvmlInit = lambda: None  # type: ignore[attr-defined]
    module.nvmlDeviceGetHandleByUUID = {"GPU-1234": "handle"}.__getitem__  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pynvml", module)
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda device: SimpleNamespace(uuid="1234"))
    return module


def test_a_gpu_counts_millijoules(nvml: ModuleType) -> None:
    read = counting(1000, 1000, 3500)
    nvml.nvmlDeviceGetTotalEnergyConsumption = lambda handle: read()  # type: ignore[attr-defined]
    with Meter(counters("cuda:1")) as meter:
        pass
    assert meter.joules == pytest.approx(2.5)


def test_a_gpu_that_does_not_tell_is_unknown(nvml: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handle: str) -> int:
        raise NVMLError("Not Supported")

    nvml.nvmlDeviceGetTotalEnergyConsumption = refuse  # type: ignore[attr-defined]
    assert counters("cuda") == []
    monkeypatch.setitem(sys.modules, "pynvml", None)  # not installed
    assert counters("cuda") == []


def test_a_command_records_its_energy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = ["run", "--methods", "random", "--seeds", "1", "--preset", "smoke", "--jobs", "1", "--out", str(tmp_path)]
    counts = Counter(counting(0, 123_444), 1e-3)
    with monkeypatch.context() as patched:
        patched.setattr("benchmark.provenance.counters", lambda device: [counts])
        assert main(run) == 0
    monkeypatch.setattr("benchmark.provenance.counters", lambda device: [])
    assert main(run) == 0
    found = read_provenance(tmp_path)
    assert found is not None
    assert [entry.energy_joules for entry in found.commands] == [123.4, None]
    assert "<td>123 J</td>" in (tmp_path / "report.html").read_text()
