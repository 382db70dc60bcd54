"""The audit of a published table: its numbers as papers write them, each kind of finding, and none in honest rows."""

from __future__ import annotations

import csv
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from honest_tables import KNOWN, NAMES, false_alarms, honest_table
from hypothesis import given, settings
from hypothesis import strategies as st
from test_reports_html import Page

from benchmark.method_facts import published_numbers
from data.metrics import METRICS, accuracy_column
from data.published import literature
from data.truth import open_truth
from reports.audit import TableError
from reports.audit.audit import audit
from reports.audit.few_cells import CellCounts
from reports.audit.finding import KINDS
from reports.audit.heads import title
from reports.audit.impossible import mean_possible, still_possible, widest
from reports.audit.latex import plain
from reports.audit.misquoted import differing
from reports.audit.numbers import Printed, read_number
from reports.audit.page import audit_html
from reports.audit.quotes import known_method
from reports.audit.report import audit_csv, audit_markdown
from reports.audit.space import Space
from reports.audit.table import read_table
from reports.audit.two_runs import pairs
from reports.latex import escaped
from spaces import Cell
from spaces.nasbench201.cell import CONV3, SKIP

SKIPS = Cell((1,) * 6)
CONVOLUTIONS = Cell((CONV3,) * 6)
BEST_CIFAR100 = Cell((CONV3, CONV3, CONV3, SKIP, CONV3, CONV3))


@pytest.fixture(scope="module")
def space():
    return Space(open_truth(None, Path("no imports")))


@pytest.fixture
def found(space, tmp_path):
    """`found("A,91.55,…")`: the findings in one row, or in several, of a CSV with all six columns."""

    def found(*rows, heads=METRICS, runs=False):
        path = tmp_path / "table.csv"
        names = ["Method", *map(title, heads), *["runs"] * runs]
        path.write_text("\n".join([",".join(names), *rows]), encoding="utf-8")
        table = read_table(path)
        assert len(table.rows) == len(rows)
        return audit(table, space, KNOWN)

    return found


def kinds(findings):
    return [finding.kind for finding in findings]


def printed(values, positions, digits=2, ddof=1):
    """The means, and the deviations of more than one cell, as a row prints them."""
    rows = [values[metric][list(positions)] for metric in METRICS]
    if len(positions) == 1:
        return [f"{row[0]:.{digits}f}" for row in rows]
    return [f"{row.mean():.{digits}f} ± {row.std(ddof=ddof):.{digits}f}" for row in rows]


# Numbers and tables as papers write them


@pytest.mark.parametrize(
    ("text", "mean", "std"),
    [
        ("91.55 ± 0.00", "91.55", "0.00"),
        ("91.55(0.00)", "91.55", "0.00"),
        ("91.55±.3", "91.55", "0.3"),
        ("91.55", "91.55", None),
        ("91.55 +/- 0.12 %", "91.55", "0.12"),
        ("91.55*†", "91.55", None),
        ("92", "92", None),
    ],
)
def test_a_number_as_papers_print_it(text, mean, std):
    assert read_number(text) == (mean, std, False)


@pytest.mark.parametrize("text", ["", "-", "–", "—", "n/a", "N.A.", " "])
def test_an_empty_cell(text):
    assert read_number(text) is None


@pytest.mark.parametrize("text", ["abc", "91.55 0.1", "101", "91.5 ± 101", "9 1.5", "-91.5", "91.55(3)", "1e2"])
def test_what_is_no_number_is_refused(text):
    with pytest.raises(ValueError):
        read_number(text)


def test_a_printed_number_has_the_benefit_of_rounding_and_of_cut_digits():
    assert Printed("93.7", None).bounds == pytest.approx((93.65, 93.8))
    assert Printed("6.3", None, errors=True).bounds == pytest.approx((93.6, 93.75))
    assert Printed("6.20", None, errors=True).accuracy == 93.8


NUMBERS = st.builds(
    lambda mean, std: (f"{mean / 100:.2f}", None if std is None else f"{std / 100:.2f}"),
    st.integers(150, 10_000),
    st.none() | st.integers(0, 3_000),
)
ROW = st.lists(st.none() | NUMBERS, min_size=3, max_size=3)
TABLES = st.lists(ROW, min_size=1, max_size=5).filter(
    lambda rows: any(number and "." in number[0] for row in rows for number in row)
)

LATEX_CELLS = (
    r"${mean} \pm {std}$",
    r"{mean}$\pm${std}",
    r"\textbf{{{mean}}} $\pm$ {std}",
    r"$\mathbf{{{mean}}}_{{\pm {std}}}$",
    r"\underline{{{mean}\,({std})}}",
    r"${mean}^{{\pm {std}}}$",
    r"\textcolor{{red}}{{{mean}}} {{\scriptsize $\pm$ {std}}}",
)
MARKDOWN_CELLS = (
    "{mean} ± {std}",
    "**{mean}** ± {std}",
    "${mean} \\pm {std}$",
    "{mean}({std})",
    "{mean}<sub>±{std}</sub>",
)


def as_written(number, forms, style):
    if number is None:
        return "" if style % 2 else "--"
    mean, std = number
    form = forms[style % len(forms)]
    if std is not None:
        return form.format(mean=mean, std=std)
    bare = (mean, f"**{mean}**")[style % 2] if forms is MARKDOWN_CELLS else (mean, rf"\textbf{{{mean}}}")[style % 2]
    return f"{bare}" if forms is MARKDOWN_CELLS else f"{bare} % 12.34 & is a comment\n"


def expected(rows):
    return [{metric: Printed(*number) for metric, number in zip(THREE, row, strict=True) if number} for row in rows]


THREE = ("cifar10_valid", "cifar10_test", "cifar100_test")


@settings(max_examples=60)
@given(TABLES, st.integers(0, 20), st.sampled_from(("csv", "md", "tex", "long")))
def test_every_format_gives_the_same_table(tmp_path_factory, rows, style, form):
    names = [f"Method {place} α_β" for place in range(len(rows))]
    if form == "csv":
        lines = [f"Method{',;'[style % 2]}C10 / val{',;'[style % 2]}CIFAR-10 test{',;'[style % 2]}CIFAR100 (test)"]
        for name, row in zip(names, rows, strict=True):
            cells = [as_written(number, MARKDOWN_CELLS, style) for number in row]
            lines.append(",;"[style % 2].join([name, *cells]))
    elif form == "md":
        lines = ["# A table", "", "| Method | cifar10_valid | CIFAR-10 test | C-100 test |", "|:--|--:|--:|--:|"]
        for name, row in zip(names, rows, strict=True):
            lines.append(f"| {name} | {' | '.join(as_written(number, MARKDOWN_CELLS, style) for number in row)} |")
    elif form == "tex":
        lines = [
            r"\begin{tabular}{lccc} \toprule % & is no column",
            r"\multirow{2}{*}{\textbf{Method}} & \multicolumn{2}{c}{CIFAR-10} & CIFAR-100 \\ \cmidrule(lr){2-3}",
            r" & valid & test & test \\[2pt] \midrule",
            r"\multicolumn{4}{c}{\textit{Weight sharing}} \\ \hline",
        ]
        for name, row in zip(names, rows, strict=True):
            cells = " & ".join(as_written(number, LATEX_CELLS, style) for number in row)
            lines.append(rf"{escaped(name)}~\cite{{x2020}} & {cells} \\")
        lines.append(r"\bottomrule \end{tabular}")
    else:
        lines = ["method,dataset,split,mean,std,runs,source,note"]
        for name, row in zip(names, rows, strict=True):
            for metric, number in zip(THREE, row, strict=True):
                if number:
                    lines.append(f"{name},{metric.replace('_', ',')},{number[0]},{number[1] or ''},,,")
    path = tmp_path_factory.mktemp("formats") / "table.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    filled = [(name, row) for name, row in zip(names, expected(rows), strict=True) if row]
    table = read_table(path)
    assert [(row.name, row.numbers) for row in table.rows if row.numbers] == filled


def test_latex_as_a_reader_sees_it():
    assert plain(r"$\beta$-DARTS~\cite{ye2022}$^{\dagger}$") == "β-DARTS"
    assert plain(r"\begin{tabular}[c]{@{}c@{}}CIFAR-10\\ (test)\end{tabular}") == "CIFAR-10 (test)"
    assert plain(r"\makecell{Search \\ cost}") == "Search cost"
    assert plain(r"\textbf{91.55}\,{\scriptsize$\pm$0.1}") == "91.55 ±0.1"


def test_a_name_over_several_rows_stands_in_each_of_them(tmp_path):
    (tmp_path / "t.tex").write_text(
        "\\begin{tabular}{lcc}\nMethod & Runs & CIFAR-10 test \\\\\n"
        "\\multirow{2}{*}{DARTS} & 3 & 54.30 \\\\\n & 5 & 55.30 \\\\\nGDAS & & 93.61 \\\\\n\\end{tabular}"
    )
    rows = read_table(tmp_path / "t.tex").rows
    assert [(row.name, row.line, row.runs) for row in rows] == [("DARTS", 3, 3), ("DARTS", 4, 5), ("GDAS", 5, None)]


def test_the_table_with_metrics_is_taken_of_several(tmp_path):
    (tmp_path / "t.md").write_text("| a | b |\n|---|---|\n| x | y |\n\n| a | C10 test |\n|---|---|\n| x | 93.1 |\n")
    assert read_table(tmp_path / "t.md").rows[0].numbers == {"cifar10_test": Printed("93.1", None)}


@pytest.mark.parametrize(
    ("head", "metric"),
    [
        ("cifar10_valid", "cifar10_valid"),
        ("CIFAR-10 test", "cifar10_test"),
        ("C10 / val", "cifar10_valid"),
        ("CIFAR-100 Validation", "cifar100_valid"),
        ("C100 (test acc., %)", "cifar100_test"),
        ("ImageNet-16-120 test", "imagenet16-120_test"),
        ("IN16-120 val.", "imagenet16-120_valid"),
        ("imagenet16-120_test", "imagenet16-120_test"),
    ],
)
def test_heads_as_papers_have_them(tmp_path, head, metric):
    (tmp_path / "t.csv").write_text(f'Method,Cost,"{head}"\nA,1,12.34\n')
    table = read_table(tmp_path / "t.csv")
    assert table.columns == [None, None, metric] and table.left_out == ["Cost"]


def test_errors_are_told_by_the_head_or_by_the_caller(tmp_path):
    (tmp_path / "t.csv").write_text("Method,CIFAR-10 test error\nDARTS-PT,11.89\n")
    (tmp_path / "u.csv").write_text("Method,CIFAR-10 test\nDARTS-PT,11.89\n")
    assert read_table(tmp_path / "t.csv").rows == read_table(tmp_path / "u.csv", errors=True).rows
    assert read_table(tmp_path / "t.csv").rows[0].numbers["cifar10_test"].accuracy == 88.11


def test_heads_that_cannot_be_told_are_asked_for(tmp_path):
    (tmp_path / "t.csv").write_text("Method,C10,C100\nA,93.1,71.2\n")
    with pytest.raises(TableError, match=r"t\.csv, line 1: the column “C10” .*--columns 'C10=METRIC'"):
        read_table(tmp_path / "t.csv")
    table = read_table(tmp_path / "t.csv", ["C10=cifar10_test", "3=-"])
    assert table.metrics == ("cifar10_test",) and table.left_out == ["C100"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Method,C10 test\nA,93.1\nB,good 1\n", "line 3: 'good 1' is no accuracy, under CIFAR-10 test"),
        ("Method,C10 test\nA,93.1\nB,good\n", "line 3: 'good' is no accuracy"),
        ("Method,C10 test\nA,93.1,4\n", "line 2: has 3 cells"),
        ("Method,C10 test\nA,931.1\n", "line 2"),
        ("Method,C10 test,CIFAR-10 test\nA,93.1,4\n", "line 1: two columns are CIFAR-10 test"),
        ("Method,cost\nA,93.1\n", "line 1: no column is named by a metric"),
        ("Method,C10 test\nA,0.931\n", "percent, not fractions"),
        ("Method,C10 test\n", "there is no number"),
        ("", "line 1: holds no table"),
        ('a,"b\nA,93.1', "line 1: is no CSV"),
        ("| Method | C10 test |\n|--|--|\n| A | 9.3.1 |", "line 3: '9.3.1' is no accuracy"),
        ("\\begin{tabular}{lc}\nA & C10 test \\\\\n\\end{table}", "line 1: the tabular that begins here does not end"),
        ("\\begin{tabular}{lc}\nA & C10 test \\\\\nB & \\textbf{91.2 \\\\\n\\end{tabular}", "line 3: a brace"),
        ("\\begin{tabular}{lc}\nA & C10 test \\\\\nB & 9.1 \\\\ C & x1 \\\\\n\\end{tabular}", "line 3: 'x1'"),
        ("method,dataset,split,mean\na,cifar10,dev,3\n", "line 2: 'cifar10' and 'dev'"),
        (
            "method,dataset,split,mean\na,cifar10,test,3\na,cifar10,test,4\n",
            "line 3: CIFAR-10 test of 'a' for the second",
        ),
    ],
)
def test_what_cannot_be_read_is_said_with_its_line(tmp_path, text, said):
    (tmp_path / "t.txt").write_text(text)
    with pytest.raises(TableError) as error:
        read_table(tmp_path / "t.txt")
    assert said in str(error.value) and str(error.value).count("\n") == 0


# Each kind of finding


def test_above_the_best_cell_is_impossible_and_the_best_is_not(found):
    assert kinds(found("A,91.0,94.38,70.0,70.1,44.0,44.2")) == ["impossible"]
    (finding,) = found("A,94.38", heads=["cifar10_test"])
    assert (finding.severity, finding.columns) == ("error", ("cifar10_test",)) and "94.37" in finding.evidence
    assert found("A,94.37", heads=["cifar10_test"]) == []
    assert kinds(found("A,9.5", heads=["cifar10_test"])) == ["impossible"]
    assert found("A,10.00", heads=["cifar10_test"]) == []


def test_what_only_fewer_runs_can_have_is_another_edition(found):
    """The paper's best ImageNet16-120 valid is 46.77, this table's 46.73."""
    (finding,) = found("Optimal,91.61,94.37,73.49,73.51,46.77,47.31")
    assert (finding.kind, finding.columns) == ("edition", ("imagenet16-120_valid",))


def test_a_deviation_that_a_mean_leaves_no_room_for(found):
    (finding,) = found("A,94.30 ± 3.00", heads=["cifar10_test"])
    assert (finding.kind, finding.severity) == ("impossible", "warning")
    (finding,) = found("A,94.30 ± 3.00,3", heads=["cifar10_test"], runs=True)
    assert (finding.kind, finding.severity) == ("impossible", "error")
    assert found("A,94.30 ± 0.05", heads=["cifar10_test"]) == []
    (finding,) = found("A,12.00 ± 30.00", heads=["cifar10_test"])
    assert finding.severity == "error"  # of any number of runs


def test_no_values_are_wider_than_the_bound():
    """Against every choice of n values on a grid."""
    grid = (0.0, 1.0, 2.5, 7.0, 10.0)
    for n in (2, 3, 4, 5):
        for chosen in itertools.combinations_with_replacement(grid, n):
            mean, std = np.mean(chosen), np.std(chosen, ddof=1)
            assert std <= widest(0.0, 10.0, mean, mean, n) + 1e-9
            assert std <= widest(0.0, 10.0, mean, mean, math.inf) + 1e-9
    assert widest(0.0, 10.0, 5.0, 5.0, 2) == pytest.approx(np.std([0, 10], ddof=1))
    assert widest(0.0, 10.0, 9.0, 9.0, 4) == pytest.approx(np.std([10, 10, 10, 6], ddof=1))


def test_zero_deviation_with_a_mean_of_no_cell(found):
    (finding,) = found("A,73.40 ± 0.00", heads=["cifar100_test"])
    assert (finding.kind, finding.severity) == ("impossible", "error")


@given(st.lists(st.integers(0, 40), min_size=2, max_size=6), st.integers(0, 40), st.integers(1, 3))
def test_small_deviations_across_a_gap_are_never_called_impossible(values, gap, width):
    """Values on both sides of a gap, and their own mean and deviation, where the mean falls into the gap."""
    numbers = np.array([value if value <= gap else value + width for value in values], float)
    mean, std = numbers.mean(), numbers.std()
    if gap < mean < gap + 1 + width and (numbers <= gap).any() and (numbers > gap).any():
        assert still_possible(float(gap), float(gap + 1 + width), mean, mean, std + 1e-9, len(numbers))


@settings(max_examples=40)
@given(st.lists(st.integers(0, 30), min_size=4, max_size=8, unique=True), st.integers(2, 4), st.data())
def test_means_that_some_cells_have_are_possible_and_others_are_not(values, runs, data):
    chosen = data.draw(st.lists(st.sampled_from(values), min_size=runs, max_size=runs))
    array = np.array(values, float)
    mean = float(np.mean(chosen))
    assert mean_possible(array, mean - 1e-9, mean + 1e-9, runs)
    other = mean + 0.013
    by_hand = any(
        abs(np.mean(tried) - other) < 0.001
        for n in range(2, runs + 1)
        for tried in itertools.combinations_with_replacement(values, n)
    )
    assert mean_possible(array, other - 0.001, other + 0.001, runs) == by_hand


def test_a_mean_that_no_few_runs_have(found, space):
    """Between the best cell on ImageNet16-120 and the next there is a gap that ten runs cannot fill."""
    best, second = np.sort(space.values["imagenet16-120_test"])[::-1][:2]
    assert (9 * best + second) / 10 < 47.304 < 47.307 < best
    (finding,) = found("A,47.305", heads=["imagenet16-120_test"])
    assert (finding.kind, finding.severity) == ("impossible", "warning")
    middle = f"{(best + second) / 2:.3f}"
    assert found(f"A,{middle}", heads=["imagenet16-120_test"]) == []


def test_valid_and_test_means_that_no_cells_have_at_once(found):
    (finding,) = [one for one in found("A,60.00,91.00", heads=METRICS[:2]) if one.kind == "impossible"]
    assert finding.columns == ("cifar10_valid", "cifar10_test") and finding.severity == "error"


def test_small_deviations_leave_no_cells(found):
    """Each column alone is possible; together no cell is near to both means."""
    (finding,) = found("A,71.34 ± 0.01,70.10 ± 0.01,3", heads=METRICS[2:4], runs=True)
    assert (finding.kind, finding.severity) == ("impossible", "warning")


@pytest.mark.parametrize(
    ("row", "cell"),
    [
        ("DARTS,39.77 ± 0.00,54.30 ± 0.00,15.03 ± 0.00,15.61 ± 0.00,16.43 ± 0.00,16.32 ± 0.00", SKIPS),
        ("Ours,91.55 ± 0.00,94.36 ± 0.00,73.49 ± 0.00,73.51 ± 0.00,46.37 ± 0.00,46.34 ± 0.00", BEST_CIFAR100),
        ("Zen-NAS,90.20,93.76,70.71,71.11,40.78,41.44", CONVOLUTIONS),
        ("Zen-NAS,,93.76,,71.11,,41.44", CONVOLUTIONS),
    ],
)
def test_one_cell_is_named(found, row, cell):
    (finding,) = found(row)
    assert (finding.kind, finding.severity, finding.cells) == ("one-cell", "note", (cell,))
    assert str(cell) in finding.sentence


def test_a_cell_for_each_data_set(found):
    """DARTS as DrNAS' table has it: a search on each data set."""
    findings = found("DARTS,39.77 ± 0.00,54.30 ± 0.00,38.57 ± 0.00,38.97 ± 0.00,18.87 ± 0.00,18.41 ± 0.00")
    assert next(finding.cells[0] for finding in findings if finding.kind == "one-cell") == SKIPS
    assert kinds(findings) == ["one-cell"] * 3


def test_one_number_alone_says_nothing(found):
    assert found("A,93.76", heads=["cifar10_test"]) == []


@pytest.mark.parametrize("divisor", [0, 1])
@pytest.mark.parametrize("runs", [(1, 2), (1, 4), (3, 3), (2, 8)])
def test_two_cells_behind_several_runs_are_found(found, space, divisor, runs):
    cells = (BEST_CIFAR100, Cell((3, 1, 3, 1, 3, 2)))
    positions = [cell.position for cell, count in zip(cells, runs, strict=True) for _ in range(count)]
    findings = found(",".join(["A", *printed(space.values, positions, ddof=divisor)]))
    assert kinds(findings) == ["few-cells"] and set(findings[0].cells) == set(cells)


def test_two_runs_in_two_cells_are_no_finding_where_two_are_said(found, space):
    cells = (BEST_CIFAR100, Cell((3, 1, 3, 1, 3, 2)))
    row = ",".join(["A", *printed(space.values, [cell.position for cell in cells]), "2"])
    assert found(row, runs=True) == []


@pytest.mark.parametrize("heads", [METRICS, METRICS[1:]])
def test_the_mean_of_two_runs_without_a_deviation(found, space, heads):
    cells = (CONVOLUTIONS, Cell((3, 1, 3, 1, 3, 2)))
    means = [f"{space.values[metric][[cell.position for cell in cells]].mean():.2f}" for metric in heads]
    (finding,) = found(",".join(["A", *means]), heads=heads)
    assert finding.kind == "few-cells" and set(finding.cells) == set(cells)
    assert found(",".join(["A", *means, "2"]), heads=heads, runs=True) == []


def test_pairs_are_met_in_the_middle_as_by_hand(space):
    """Against all pairs of a cell and the others, with means near to it."""
    numbers = {metric: Printed(f"{space.values[metric][777]:.2f}", None) for metric in METRICS[:3]}
    near = {tuple(sorted(pair)) for pair in pairs(numbers, space).T.tolist()}
    for one in (777, 801, 4242):
        fits = np.arange(15_625) != one
        for metric, number in numbers.items():
            means = (space.values[metric] + space.values[metric][one]) / 2
            fits &= np.abs(means - number.accuracy) <= 10 * number.half
        assert {tuple(sorted((one, other))) for other in np.flatnonzero(fits).tolist()} == {
            pair for pair in near if one in pair
        }


def test_the_deviation_of_a_split():
    for n, m in ((2, 1), (3, 1), (10, 4)):
        values = np.array([0.0] * (n - m) + [1.0] * m)
        assert CellCounts(n, m, "n").factor == pytest.approx(values.std())
        assert CellCounts(n, m, "n − 1").factor == pytest.approx(values.std(ddof=1))


@pytest.mark.parametrize("position", [1234, 9876])
def test_twelve_epochs_single_runs_and_ori_test(found, space, position):
    """Of single runs only the three validation accuracies are known, so that where many cells are alike chance does the
    same; these two cells are told."""
    variants = {variant.name: variant for variant in space.variants}
    for name, expected in (
        ("after 12 epochs", "after 12 epochs"),
        ("in the single run of seed 777", "seed 777"),
        ("by “ori-test”, the whole test set, where it says valid", "ori-test"),
    ):
        values = space.values | variants[name].values
        findings = found(",".join(["A", *printed(values, [position])]))
        (finding,) = [one for one in findings if one.kind == "edition"]
        assert expected in finding.evidence and Cell.at(position) in finding.cells, name
        assert "one-cell" not in kinds(findings)


def test_another_edition_of_a_baseline_in_one_column(found):
    findings = found("GDAS,89.89 ± 0.08,93.61 ± 0.09,,,41.59 ± 1.33,41.84 ± 0.90")
    (finding,) = [one for one in findings if one.kind == "edition"]
    assert (finding.columns, finding.severity) == (("imagenet16-120_test",), "warning")


def test_two_editions_in_one_table(found):
    findings = found(
        "RSPS,80.42 ± 3.58,84.07 ± 3.61,52.12 ± 5.55,52.31 ± 5.77,27.22 ± 3.24,26.28 ± 3.09",
        "SETN,84.04 ± 0.28,87.64 ± 0.00,58.86 ± 0.06,59.05 ± 0.24,33.06 ± 0.02,32.52 ± 0.21",
        "ENAS,,54.30 ± 0.00,,15.61 ± 0.00,,16.32 ± 0.00",
    )
    (finding,) = [one for one in findings if one.kind == "edition"]
    assert finding.row == 2 and "batch statistics" in finding.evidence


def test_a_misquoted_row_has_its_digits_marked(found):
    """The errors that travelled: 93.35 for 93.45, and 46.86 for 43.86."""
    findings = found("RLNAS [12],89.94,93.35,70.98,70.71,46.86,43.70")
    (finding,) = [one for one in findings if one.kind == "misquoted"]
    assert finding.columns == ("cifar10_test", "imagenet16-120_valid")
    assert finding.digits == {"cifar10_test": (3,), "imagenet16-120_valid": (1,)}
    assert "93.[3]5 where the source has 93.45" in finding.evidence


def test_a_right_quotation_or_a_result_of_ones_own_is_no_misquotation(found):
    rlnas = "RLNAS,89.94,93.45,70.98,70.71,43.86,43.70"
    for row in (rlnas, rlnas.replace("89.94", "89.9"), "RLNAS,90.11,93.02,70.31,70.44,43.10,43.21"):
        assert "misquoted" not in kinds(found(row))


def test_the_digits_that_differ():
    assert differing("93.35", "93.45") == (3,)
    assert differing("93.54", "93.45") == (3, 4)
    assert differing("93.45", "93.45") == ()


def test_copied_rows(found):
    findings = found(
        "A,89.91 ± 0.31,93.28 ± 0.40,70.10 ± 1.00,70.31 ± 0.90,43.12 ± 1.10,43.50 ± 1.20",
        "B,89.91 ± 0.31,93.28 ± 0.40,69.10 ± 1.10,69.31 ± 0.80,42.12 ± 1.20,42.50 ± 1.30",
    )
    (finding,) = findings
    assert (finding.kind, finding.severity, finding.row) == ("copied", "warning", 1)
    assert finding.columns == ("cifar10_valid", "cifar10_test") and "“A” (line 2)" in finding.evidence


def test_rows_of_the_same_cell_are_equal_by_right(found):
    row = "91.55 ± 0.00,94.36 ± 0.00,73.49 ± 0.00,73.51 ± 0.00,46.37 ± 0.00,46.34 ± 0.00"
    findings = [one for one in found(f"DrNAS,{row}", f"Λ-DARTS,{row}") if one.kind == "copied"]
    assert [finding.severity for finding in findings] == ["note"]


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        ("A,94.36,91.55,73.51,73.49,46.34,46.37", METRICS),
        ("A,94.11 ± 0.10,91.20 ± 0.20,72.10 ± 0.40,72.00 ± 0.40,45.3 ± 0.9,45.5 ± 0.6", METRICS[:2]),
        ("A,91.55 ± 0.00,94.36 ± 0.00,46.37 ± 0.00,46.34 ± 0.00,73.49 ± 0.00,73.51 ± 0.00", METRICS[2:]),
    ],
)
def test_swapped_columns(found, row, columns):
    (finding,) = [one for one in found(row) if one.kind == "order"]
    assert set(columns) <= set(finding.columns) and "swapped" in finding.evidence


def test_a_fault_of_every_kind_among_clean_rows(found, space):
    """One table with each, and honest rows between them, of which nothing is said."""
    two = printed(space.values, [BEST_CIFAR100.position] * 2 + [Cell((3, 1, 3, 1, 3, 2)).position])
    twelve = printed(space.values | space.variants[0].values, [9876])
    planted = {
        "impossible": "Better,91.02 ± 0.20,94.61 ± 0.11,71.91 ± 0.50,72.11 ± 0.43,45.51 ± 0.52,45.61 ± 0.61",
        "one-cell": "Zen-NAS,90.20,93.76,70.71,71.11,40.78,41.44",
        "few-cells": ",".join(["Two of three", *two]),
        "edition": ",".join(["Early", *twelve]),
        "misquoted": "RLNAS,89.94,93.35,70.98,70.71,46.86,43.70",
        "copied": "Twin,90.11 ± 0.31,93.28 ± 0.40,69.10 ± 1.11,69.31 ± 0.80,42.12 ± 1.20,42.50 ± 1.33",
        "order": "Crossed,94.11 ± 0.10,91.20 ± 0.20,72.10 ± 0.40,72.00 ± 0.40,45.31 ± 0.91,45.52 ± 0.63",
    }
    clean = [
        "Fair,90.11 ± 0.31,93.28 ± 0.40,70.10 ± 1.00,70.31 ± 0.90,43.12 ± 1.10,43.50 ± 1.21",
        "GDAS,90.00 ± 0.21,93.51 ± 0.23,71.14 ± 0.57,70.61 ± 0.66,41.70 ± 1.26,41.84 ± 1.11",
        "Alone,91.02,93.96,72.25,72.31,45.52,45.77",
    ]
    rows = [row for couple in itertools.zip_longest(clean, planted.values()) for row in couple if row]
    findings = found(*rows)
    by_row = {rows[finding.row].split(",")[0] for finding in findings}
    assert by_row == {row.split(",")[0] for row in planted.values()}
    for kind, row in planted.items():
        assert kind in {finding.kind for finding in findings if rows[finding.row] == row}, kind


# What is not to be found


def test_honest_tables_have_no_finding(space):
    """Of thousands the share is in results/audit/README.md; here a part of them."""
    assert [seed for seed, _, _ in false_alarms(space, range(25))] == []
    assert {row.name for seed in range(10) for row in honest_table(space, seed).rows} <= set(NAMES)


def test_a_planted_fault_is_found_among_honest_rows(space):
    """In a whole table, and nothing in its other rows."""
    for seed in range(3):
        table = honest_table(space, seed)
        numbers = {metric: Printed("94.90", None) for metric in table.metrics if metric == "cifar10_test"}
        row = table.rows[1]
        table.rows[1] = type(row)(row.name, row.line, row.numbers | numbers, row.runs, row.texts)
        assert {(one.row, one.kind) for one in audit(table, space, KNOWN) if one.kind == "impossible"} == {
            (1, "impossible")
        }
        assert {one.row for one in audit(table, space, KNOWN)} == {1}


def test_every_published_fact_is_quoted_right():
    of_darts = [quote for quote in KNOWN if quote.method == "darts"]
    assert of_darts[0].numbers["cifar10_test"] == Printed("54.30", "0.00")
    count = len(literature()) + sum(map(len, published_numbers().values()))
    assert sum(len(quote.numbers) for quote in KNOWN) == count == 210
    assert all(known_method(quote.method) == quote.method for quote in KNOWN)


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("DARTS (1st order)", "darts"),
        ("DARTS-V2 [19]", "darts2"),
        ("DARTS (2nd)", "darts2"),
        ("DARTS-", "darts-minus"),
        ("β-DARTS", "bdarts"),
        ("Λ-DARTS (Movahedi et al., 2023)", "lambda-darts"),
        ("Random Search", "random-search"),
        ("Optimal", "optimal"),
        ("Our method", None),
        ("DARTS+", None),
    ],
)
def test_names_of_known_methods(name, method):
    assert known_method(name) == method


# The files


@pytest.fixture
def example(space, tmp_path):
    path = tmp_path / "a<b>.csv"
    path.write_text(
        "Method,Cost,CIFAR-10 test,CIFAR-100 test,ImageNet16-120 test\n"
        '"RLNAS <script>alert(1)</script>",1,93.35,70.71,43.70\nRLNAS,1,93.35,70.71,43.70\n'
        "DARTS,2,54.30 ± 0.00,15.61 ± 0.00,16.32 ± 0.00\nB*,2,99.00,70.00,44.00\n",
        encoding="utf-8",
    )
    table = read_table(path)
    return table, audit(table, space, KNOWN)


def test_audit_csv_has_a_row_a_finding(example):
    table, findings = example
    rows = list(csv.DictReader(audit_csv(table, findings).splitlines()))
    assert list(rows[0]) == ["row", "kind", "severity", "columns", "evidence", "cells"]
    assert [row["kind"] for row in rows] == kinds(findings) and set(kinds(findings)) <= set(KINDS)
    (cell,) = [row["cells"] for row in rows if row["kind"] == "one-cell"]
    assert Cell.parse(cell) == SKIPS


def test_the_page_marks_the_numbers_and_nothing_becomes_markup(example):
    table, findings = example
    text = audit_html(table, findings, "the truth")
    page = Page(text)
    page.check_references()
    assert page.tags["script"] == 1 and "<script>alert" not in text
    assert '<mark class="warning">93.<u>3</u>5</mark>' in text
    assert '<mark class="error">99.00</mark>' in text
    assert page.tags["mark"] == len({(one.row, metric) for one in findings for metric in one.columns})
    assert "not a verdict" in text


def test_the_markdown_says_the_same(example):
    table, findings = example
    text = audit_markdown(table, findings, "the truth")
    assert "**93.35**" in text and "not a verdict" in text and "<script>" not in text.replace("\\<script", "")
    assert all(finding.kind in text for finding in findings)


def test_a_clean_table_says_so(space, tmp_path):
    (tmp_path / "t.csv").write_text("Method,C10 test\nA,93.10 ± 0.30\n")
    table = read_table(tmp_path / "t.csv")
    assert audit(table, space, KNOWN) == []
    assert "No findings in 1 row." in audit_markdown(table, [], "x") and "None" in audit_html(table, [], "x")


def test_the_sums_of_the_space_are_those_of_the_table(space):
    column = open_truth(None, Path("no imports")).columns[accuracy_column("cifar10_test")].array()
    assert np.array_equal(space.values["cifar10_test"], column)
    assert space.best["cifar10_test"] == pytest.approx(94.3733, abs=1e-4)
    assert space.index(SKIPS.position) == 1835
