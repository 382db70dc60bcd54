"""The page of a results folder: its structure, that nothing in the rows can become markup, and its words by hand."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
import test_reports_example as example

from reports import RowsError
from reports.page import Figure, duration, inline_svg, spans
from reports.paragraph import methods_paragraph
from reports.provenance import FILE, Entry, Provenance, Setting, read_provenance
from reports.results import read_results
from reports.tables import comparisons
from reports.write import write_report

VOID = {"meta", "br", "wbr", "img", "link"}

SETTINGS = (
    Setting("problem.training_images", 4000, "Images used.", "of 50,000"),
    Setting("problem.resolution", 12, "Side in pixels.", "of 32"),
    Setting("problem.channels", 4, "C.", "a quarter of the paper's"),
    Setting("problem.cells_per_stage", 1, "N.", "a fifth of the paper's"),
    Setting("darts.alpha_betas", [0.5, 0.999], "Of Adam.", "AutoDL-Projects"),
    Setting("darts.nesterov", True, "Kind of momentum.", "changed; the preset has false"),
)

ENTRY = Entry(
    command="python -m benchmark run --methods darts,pt --seeds 3",
    started="2026-01-02T03:04:05Z",
    wall_seconds=400.0,
    methods=("darts", "pt"),
    seeds=(0, 1, 2),
    runs=6,
    to_do=6,
    preset="mini",
    settings=SETTINGS,
    images="cifar10",
    truth="AnalogNAS-Bench",
    truth_checksum="c0ffee" * 10,
    device="cpu",
    processor="A CPU",
    cores=2,
    gpu=None,
    system="Linux x86_64",
    packages={"python": "3.12.1", "torch": "2.13.0", "numpy": "2.1.0"},
    commit="0123456789abcdef",
    changed=True,
)

PROVENANCE = Provenance((ENTRY,))


class Page(HTMLParser):
    """The elements of a page, with the identifiers that they have and refer to; refuses tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.ids: Counter[str] = Counter()
        self.wanted: set[str] = set()
        self.addresses: list[str] = []
        self.words: dict[str, str] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def check_references(self) -> None:
        """Each has one target, and none leaves the page."""
        assert [name for name, times in self.ids.items() if times > 1] == []
        inside = {address[1:] for address in self.addresses if address.startswith("#")}
        others = [address for address in self.addresses if not address.startswith("#")]
        assert all(address.startswith("data:image/png;base64,") for address in others)
        assert self.wanted | inside <= set(self.ids)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.look(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.look(tag, attrs)

    def look(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        for name, value in attrs:
            assert not name.startswith("on"), f"{tag} has {name}"
            value = value or ""
            if name == "id":
                self.ids[value] += 1
            elif name in ("aria-labelledby", "data-copies"):
                self.wanted.add(value)
            elif name in ("href", "xlink:href", "src"):
                self.addresses.append(value)
            self.wanted.update(re.findall(r"url\(#([^)]*)\)", value))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.words[self.open[-1]] = self.words.get(self.open[-1], "") + data


def written(folder: Path, provenance: Provenance | None = PROVENANCE) -> str:
    if provenance is not None:
        (folder / FILE).write_bytes(provenance.encoded())
    write_report(folder)
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> str:
    return written(example.write(tmp_path_factory.mktemp("page")))


def test_the_page_is_whole_and_needs_nothing_beside_itself(text: str) -> None:
    page = Page(text)
    page.check_references()
    assert page.tags["h1"] == page.tags["main"] == page.tags["nav"] == page.tags["script"] == page.tags["style"] == 1
    assert page.tags["caption"] == page.tags["table"] >= 6
    assert page.tags["figcaption"] == page.tags["figure"] >= 3
    assert "prefers-color-scheme" in text and "@media print" in text


def test_the_tables_have_the_numbers_of_the_summary(text: str) -> None:
    for cell in (
        *('<th scope="row" class="word">DARTS</th>', "<td>79.00 ± 21.70</td>", "<td>54.00 to 93.00</td>"),
        *('<th scope="col">Median rank</th>', "<td>+13.67 ± 21.08</td>", "<td>0.78 (0.33 to 1.00)</td>"),
        *(
            '<span class="verdict open">○ not comparable</span>',
            "<td>50.0</td>",
            f"<code>{example.CONVS.replace('|+|', '|+<wbr>|')}</code>",
        ),
    ):
        assert cell in text
    foot = text.partition("<tfoot>")[2].partition("</tfoot>")[0]
    assert "best cell of the space" in foot and "mean of the space" in foot
    assert "Few seeds prove little." in text
    assert text.count('<use href="#cell-') == 6 and text.count("<symbol") == 4


def test_the_provenance_is_all_there(text: str) -> None:
    for words in (
        *(ENTRY.command, "2026-01-02 03:04:05", "6 min 40 s", "6 of 6", "c0ffee" * 10, "A CPU, 2 cores"),
        *("torch 2.13.0", "0123456789abcdef, with local changes", "a quarter of the paper&#39;s"),
        *("<code>[0.5, 0.999]</code>", "<code>true</code>", "changed; the preset has false"),
    ):
        assert words in text


def test_the_same_rows_give_the_same_page(tmp_path: Path, text: str) -> None:
    assert written(example.write(tmp_path)) == text


def test_a_folder_without_provenance_says_so(tmp_path: Path) -> None:
    text = written(example.write(tmp_path), None)
    assert "Provenance was not recorded" in text
    assert "on cpu." in text and "PyTorch" not in text
    Page(text)


def test_a_stopped_command_has_no_time(tmp_path: Path) -> None:
    stopped = Entry(**{**vars(ENTRY), "wall_seconds": None, "commit": None})
    text = written(example.write(tmp_path), Provenance((stopped, ENTRY)))
    assert "<td>stopped</td>" in text and "<td>6 min 40 s</td>" in text
    assert "not run from a checkout / 0123456789abcdef" in text


@pytest.mark.parametrize(
    "evil", ["<script>alert(1)</script>", "--><script>alert(1)</script>", "'\"><img src=x onerror=alert(1)>"]
)
def test_nothing_in_the_rows_becomes_markup(tmp_path: Path, evil: str) -> None:
    columns = ("method", "preset", "images", "device", "truth", "version", "other_selection")
    runs = example.runs().assign(**dict.fromkeys(columns, evil), seed=range(6))
    setting = Setting(f"{evil}.{evil}", evil, evil, evil)
    texts = dict.fromkeys(("command", "started", "preset", "images", "truth", "device", "processor", "system"), evil)
    more = {"methods": (evil,), "settings": (setting,), "packages": {evil: evil}, "commit": evil, "gpu": evil}
    text = written(example.write(tmp_path, runs), Provenance((Entry(**{**vars(ENTRY), **texts, **more}),)))
    page = Page(text)
    assert page.tags["script"] == 1 and page.tags["img"] == 0
    assert "alert" not in page.words["script"]


def test_only_its_own_script_may_run(text: str) -> None:
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{allowed}'" in text and "default-src 'none'" in text


BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
def test_its_script_runs_in_a_browser_under_its_own_policy(tmp_path: Path) -> None:
    written(example.write(tmp_path))
    assert BROWSER is not None
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    command += [f"--user-data-dir={tmp_path / 'browser'}", "--dump-dom", (tmp_path / "report.html").as_uri()]
    page = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    assert '<th scope="col"><button type="button">Median rank</button></th>' in page
    assert '<tr data-place="1">' in page
    assert 'data-copies="paragraph">Copy</button>' in page, "shown, since it works"


def test_methods_paragraph_by_hand(tmp_path: Path) -> None:
    results = read_results(example.write(tmp_path))
    assert methods_paragraph(results, comparisons(results), Provenance((ENTRY,))) == (
        "We ran DARTS and DARTS-PT on the search space of NAS-Bench-201 (15,625 cells), with 3 seeds each (0–2). "
        "The searches saw CIFAR-10 (4,000 training images of 12 × 12 pixels), in networks of C = 4 and N = 1; preset "
        "mini of Replica-201 0.1.0, commit 0123456789ab with local changes. The accuracy of a chosen cell is not "
        "measured by us but looked up in AnalogNAS-Bench (CIFAR-10 test; checksum c0ffee), where the best cell has "
        "94.00 % and the average cell 86.50 %; regret is the distance to the best, in percentage points. We "
        "report the mean ± sample standard deviation (n − 1) over seeds, with Student's 95 % interval of the mean. "
        "Methods are compared pairwise on their common seeds: two-sided exact sign test, and two-sided permutation "
        "test of the mean difference under flips of sign (all sign patterns), and the probability of improvement with "
        "its percentile bootstrap interval (10,000 resamples). On average a search took 60 s "
        "(DARTS) and 9.0 s (DARTS-PT) on A CPU, 2 cores, with Python 3.12.1, PyTorch 2.13.0 and NumPy 2.1.0."
    )


def test_provenance_of_earlier_versions_is_read(tmp_path: Path) -> None:
    encoded = Provenance((ENTRY,)).encoded()
    with_energy = re.sub(rb'("runs": \d+)', rb'\1, "energy_joules": 12345.0', encoded)
    without_compiler = re.sub(rb',\s*"compiler": null', b"", encoded)
    for older in (with_energy, without_compiler):
        assert older != encoded
        (tmp_path / FILE).write_bytes(older)
        assert read_provenance(tmp_path) == Provenance((ENTRY,))


def test_the_paragraph_of_uneven_and_single_seeds(tmp_path: Path) -> None:
    uneven = read_results(example.write(tmp_path, example.runs().iloc[[0, 2, 3]]))
    assert "with the seeds 0, 2 (DARTS) and 0 (DARTS-PT)." in methods_paragraph(uneven, comparisons(uneven), None)
    single = read_results(example.write(tmp_path, example.runs().iloc[[0]]))
    text = methods_paragraph(single, comparisons(single), None)
    assert "with 1 seed (0)" in text and "no spread is given" in text and "interval" not in text


def test_settings_that_differ_are_not_said_of_all() -> None:
    other = Entry(**{**vars(ENTRY), "settings": (Setting("problem.channels", 16, "C.", "the paper's"),)})
    both = Provenance((ENTRY, other))
    assert (both.value("problem.channels"), both.value("problem.resolution"), both.value("none")) == (None, 12, None)
    assert len(both.settings) == len(SETTINGS) + 1


def test_provenance_is_read_as_written_and_refused_where_damaged(tmp_path: Path) -> None:
    assert read_provenance(tmp_path) is None
    (tmp_path / FILE).write_bytes(Provenance((ENTRY,)).encoded())
    assert read_provenance(tmp_path) == Provenance((ENTRY,))
    (tmp_path / FILE).write_text('{"commands": [{"command": 3}]}')
    with pytest.raises(RowsError, match=r"provenance\.json cannot be read"):
        read_provenance(tmp_path)


def test_identifiers_of_figures_do_not_meet_and_their_style_stays_inside() -> None:
    svg = (
        b'<?xml version="1.0"?><svg xmlns:xlink="x" width="72pt" height="9pt" viewBox="0 0 72 9" version="1.1"><title>t'
        b'</title><defs><style type="text/css">*{}</style></defs><!-- a --><g id="figure_1"><path id="p"/>'
        b'<use xlink:href="#p" clip-path="url(#c)"/></g></svg>'
    )
    assert inline_svg(Figure("one", "A caption.", svg), "label") == (
        '<svg viewBox="0 0 72 9" role="img" aria-labelledby="label" style="--width:96px"><defs></defs><g>'
        '<path id="one-p"/><use xlink:href="#one-p" clip-path="url(#one-c)"/></g></svg>'
    )
    with pytest.raises(ValueError, match="does not begin"):
        inline_svg(Figure("one", "", b"<svg/>"), "label")


def test_markdown_becomes_elements_and_what_is_left_open_stays() -> None:
    assert list(spans("see `a*b` and *c d*, 2 * 3")) == [
        *(("", "see "), ("code", "a*b"), ("", " and "), ("em", "c d"), ("", ", 2 "), ("", "*"), ("", " 3"))
    ]


def test_durations_read_well() -> None:
    assert [duration(seconds) for seconds in (0.04, 7.61, 42.4, 400, 7400)] == [
        *("0.0 s", "7.6 s", "42 s", "6 min 40 s", "2 h 3 min")
    ]


def test_the_published_results_make_a_page_of_a_reasonable_size(tmp_path: Path) -> None:
    for name in ("runs.csv", "history.csv", "space.csv"):
        source = Path(__file__).parent.parent / "results" / "mini-cifar10" / name
        (tmp_path / name).write_bytes(source.read_bytes())
    text = written(tmp_path, None)
    assert len(text.encode()) < 5e6
    Page(text).check_references()
