"""The command `audit`, end to end: what it prints, writes and exits with; and tables from nobody knows where."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import pytest
from honest_tables import KNOWN
from hostile import WORST, answer, damaged
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.cli import main
from data.truth import open_truth
from reports.audit import TableError
from reports.audit.audit import audit
from reports.audit.page import audit_html
from reports.audit.report import audit_csv, audit_markdown
from reports.audit.space import Space
from reports.audit.table import read_table

ROOT = Path(__file__).parents[1]

LATEX = r"""
\begin{table}
\caption{Results on NAS-Bench-201}
\begin{tabular}{l|cc|c} % the columns
\toprule
\multirow{2}{*}{Method} & \multicolumn{2}{c|}{\textbf{CIFAR-10}} & \textbf{CIFAR-100} \\
\cmidrule(lr){2-3} \cmidrule(lr){4-4}
 & valid & test & test \\ \midrule
DARTS~\cite{liu2019} & 39.77$\pm$0.00 & $54.30_{\pm 0.00}$ & 15.61(0.00) \\[2pt]
$\beta$-DARTS$^\dagger$ & \textbf{91.55} $\pm$ .00 & \underline{94.36\,$\pm$\,0.00} & $\mathbf{73.51}\pm 0.00$ \\
\rowcolor{gray!20} Ours & 91.20 $\pm$ 0.21 & 99.10 $\pm$ 0.12 & -- \\
\bottomrule
\end{tabular}
\end{table}
"""

MARKDOWN = """\
| Method | C10 / val | CIFAR-10 test | CIFAR-100 test |
|:--|--:|--:|--:|
| **DARTS** | 39.77 ± 0.00 | 54.30 ± 0.00 | 15.61 ± 0.00 |
| Ours | 91.20(0.21) | 93.90(0.12) | |
"""

CSV = """\
Method,Search cost,CIFAR-10 valid,CIFAR-10 test,CIFAR-100 test
DARTS,0.4,39.77 ± 0.00,54.30 ± 0.00,15.61 ± 0.00
Ours,0.1,91.20 ± 0.21,93.90 ± 0.12,
"""

LONG = """\
method,dataset,split,mean,std,runs,source,note
darts,cifar10,valid,39.77,0.00,3,A paper,
darts,cifar10,test,54.30,0.00,3,A paper,
gdas,cifar10,test,93.61,0.09,3,"Another, paper",
"""

AUDITS = ("nas-bench-201", "drnas", "rlnas", "zico")

LATEX_WORST = (b"\\", b"\\begin{tabular}", b"{" * 3000, b"\\multicolumn{9999}{c}{" * 300, b"|" * 3000)

FORMS = {"t.tex": LATEX, "t.md": MARKDOWN, "t.csv": CSV, "long.csv": LONG}


@pytest.fixture
def table(tmp_path):
    def table(text, name="t.csv"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return str(tmp_path / name)

    return table


def test_the_latex_table_of_a_paper(table, tmp_path, capsys):
    assert main(["audit", table(LATEX, "t.tex"), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "3 findings in 3 of 3 rows: 1 impossible, 2 one-cell." in said and "not a verdict" in said
    rows = list(csv.DictReader((tmp_path / "out" / "audit.csv").read_text(encoding="utf-8").splitlines()))
    assert [(row["row"], row["kind"], row["severity"]) for row in rows] == [
        ("DARTS", "one-cell", "note"),
        ("β-DARTS", "one-cell", "note"),
        ("Ours", "impossible", "error"),
    ]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"audit.md", "audit.csv", "audit.html"}


def test_strict_is_1_where_something_is_impossible_and_only_there(table):
    assert main(["audit", table(LATEX, "t.tex"), "--strict"]) == 1
    assert main(["audit", table(MARKDOWN, "t.md"), "--strict"]) == 0


def test_errors_instead_of_accuracies(table, capsys):
    path = table("Method,CIFAR-10 test\nA,6.10 ± 0.10\nB,5.55\n")
    assert main(["audit", path, "--errors", "--strict"]) == 1
    assert "94.45 is above 94.37" in " ".join(capsys.readouterr().out.split())
    assert main(["audit", path, "--strict"]) == 1  # accuracies of 6 % are below the worst cell


def test_columns_that_cannot_be_told(table, capsys):
    path = table("Method,C10,C100\nA,93.1,71.2\n")
    assert main(["audit", path]) == 2
    assert "--columns 'C10=METRIC'" in capsys.readouterr().err
    assert main(["audit", path, "--columns", "C10=cifar10_test", "--columns", "3=cifar100_test"]) == 0
    assert main(["audit", path, "--columns", "C10=cifar11_test"]) == 2
    assert main(["audit", path, "--columns", "C12=cifar10_test"]) == 2


def test_what_cannot_be_read_names_the_line_and_exits_with_2(table, capsys):
    assert main(["audit", table(CSV + "Theirs,1,good,93.1,\n")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("benchmark: t.csv, line 4: 'good' is no accuracy, under CIFAR-10 valid")
    assert said.count("\n") == 1
    assert main(["audit", "nowhere.csv"]) == 2


def test_the_same_table_gives_the_same_files(table, tmp_path):
    path = table(LATEX, "t.tex")
    for name in ("a", "b"):
        assert main(["audit", path, "--out", str(tmp_path / name)]) == 0
    for file in ("audit.md", "audit.csv", "audit.html"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize("name", AUDITS)
def test_the_audits_in_results_are_those_of_their_tables(name, tmp_path):
    path = ROOT / "results" / "audit" / name / f"{name}.csv"
    assert main(["audit", str(path), "--out", str(tmp_path)]) == 0
    for file in ("audit.md", "audit.csv", "audit.html"):
        assert (path.parent / file).read_text(encoding="utf-8") == (tmp_path / file).read_text(encoding="utf-8")


# Hostile input


@pytest.fixture(scope="module")
def space():
    return Space(open_truth(None, Path("no imports")))


def audited(path, space):
    """Whether a file can be audited, with all its outputs; else it is refused in one sentence that names a place."""
    try:
        table = read_table(path)
    except TableError as error:
        assert str(error) and "\n" not in str(error) and len(str(error)) < 2_000
        return False
    findings = audit(table, space, KNOWN)
    assert audit_markdown(table, findings, "") and audit_csv(table, findings) and audit_html(table, findings, "")
    return True


@pytest.mark.parametrize("name", FORMS)
def test_damaged_tables_are_audited_or_refused(tmp_path, space, name):
    path = tmp_path / name
    used = 0
    for content in damaged(FORMS[name].encode(), 150, seed=len(name)):
        path.write_bytes(content)
        used += audited(path, space)
    assert 0 < used < 150


def test_damaged_tables_through_the_command(tmp_path):
    for name, text in FORMS.items():
        path = tmp_path / name
        for content in damaged(text.encode(), 4, seed=1):
            path.write_bytes(content)
            answer("audit", str(path), "--out", str(tmp_path / "out"))


@pytest.mark.parametrize("worst", [*WORST, *LATEX_WORST])
def test_the_worst_pieces_in_every_place(tmp_path, space, worst):
    numbers = random.Random(len(worst))
    for name, text in FORMS.items():
        content = text.encode()
        for _ in range(6):
            place = numbers.randrange(len(content))
            (tmp_path / name).write_bytes(content[:place] + worst + content[place:])
            audited(tmp_path / name, space)


PIECES = st.sampled_from(
    (
        *("Method", "CIFAR-10 test", "C100 val", "91.55", "± 0.00", "(0.1)", "&", r"\\", "|", ",", "\n", "---", " "),
        *(r"\begin{tabular}{lc}", r"\end{tabular}", r"\multicolumn{2}{c}{", r"\multirow{3}{*}{", "{", "}", r"\textbf{"),
        *(
            r"\hline",
            "%",
            "$",
            r"\pm",
            "^",
            "_",
            '"',
            r"\begin{tabular}",
            "[2pt]",
            "method,dataset,split,mean\n",
            "\t;",
        ),
    )
)


@settings(max_examples=300)
@given(st.lists(PIECES, max_size=40))
def test_any_order_of_the_pieces_of_tables(tmp_path_factory, pieces):
    path = tmp_path_factory.getbasetemp() / "pieces.txt"
    path.write_text("".join(pieces), encoding="utf-8")
    try:
        read_table(path)
    except TableError as error:
        assert "\n" not in str(error)


def test_folders_and_binary_files_are_refused(tmp_path):
    assert answer("audit", str(tmp_path))[0] == 2
    (tmp_path / "x").write_bytes(bytes(range(256)) * 100)
    assert answer("audit", str(tmp_path / "x"))[0] == 2
    (tmp_path / "y").write_bytes(b"a,b\n" * 2_000_000)
    assert "bytes" in answer("audit", str(tmp_path / "y"))[1]
    (tmp_path / "z").write_text("Method,CIFAR-10 test\n" + "A,93.1\n" * 1_001)
    assert "line 1: 1,001 rows" in answer("audit", str(tmp_path / "z"))[1]


@pytest.mark.parametrize(
    "piece",
    [
        "\\hline(",
        "\\begin{tabular}[",
        "\\\\",
        "&",
        "{",
        "[",
        "*",
        "**a ",
        "<",
        "\\multirow{2}{*}{a",
        "|",
        "`a",
        "$",
        "a[",
        "_a",
    ],
)
def test_large_files_are_refused_or_read_soon(tmp_path, space, piece):
    """Nothing here takes time that grows with the square of the size; half a megabyte would be hours then."""
    heads = ["\\begin{tabular}{lc} A & C10 test \\\\ B & 9.31 \\\\ ", "A,C10 test\n", "|A|C10 test|\n|--|--|\n"]
    for head in heads:
        (tmp_path / "x").write_text(head + piece * (500_000 // len(piece)))
        audited(tmp_path / "x", space)
