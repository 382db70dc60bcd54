"""The LaTeX table against text written by hand; where TeX is installed, it is set too."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import test_reports_example as example

from reports.latex import escaped, summary_latex
from reports.results import read_results
from reports.tables import summary

GOLDEN = r"""% needs \usepackage{booktabs}
\begin{table}
  \centering
  \footnotesize
  \setlength{\tabcolsep}{4pt}
  \caption{True test accuracy (\%) of the chosen cells: mean $\pm$ sample standard deviation over n seeds, and \
Student's interval of the mean ($\dagger$ normality is doubtful); rank by CIFAR-10 test among all 15,625 cells. Truth: \
AnalogNAS-Bench; searched on CIFAR-10; preset mini.}
  \label{tab:summary}
  \begin{tabular}{lrrrrr}
    \toprule
    Method & n & CIFAR-10 & 95 \% interval & Median rank & Collapsed \\
    \midrule
    DARTS & 3 & 79.00 $\pm$ 21.70 & 25.09 to 132.91 $\dagger$ & 8,000 & 2 of 3 \\
    DARTS-PT & 3 & 92.67 $\pm$ 1.15 & 89.80 to 95.54 $\dagger$ & 2,500 & 0 of 3 \\
    \midrule
    best cell of the space &  & 94.00 &  & 1 &  \\
    mean of the space &  & 86.50 &  &  &  \\
    \bottomrule
  \end{tabular}
\end{table}
""".replace("and \\\n", "and ").replace("Truth: \\\n", "Truth: ")


def latex(folder: Path) -> str:
    results = read_results(folder)
    return summary_latex(results, summary(results))


def test_summary_latex_by_hand(tmp_path: Path) -> None:
    assert latex(example.write(tmp_path)) == GOLDEN


def test_what_latex_would_take_for_commands_is_escaped() -> None:
    assert escaped("50 % of_a & b") == r"50 \% of\_a \& b"
    assert escaped("β − 0.1 ± 0.2 – \\x^~") == (
        r"$\beta$ $-$ 0.1 $\pm$ 0.2 -- \textbackslash{}x\textasciicircum{}\textasciitilde{}"
    )


def awkward(folder: Path) -> Path:
    """Three data sets, names with every special character, and a single seed."""
    runs = example.runs().assign(**{"cifar100_test": 70.0, "cifar10_valid": 60.0, "imagenet16-120_test": 40.0})
    runs["method"] = ["bdarts", "bdarts", "pt-fixed", "my_method", "100%#1 {a}$&~^\\", "darts-minus"]
    metrics = ("cifar10_test", "cifar10_valid", "cifar100_test", "imagenet16-120_test")
    return example.write(folder, runs, space_=example.space(metrics))


def test_every_row_has_every_column(tmp_path: Path) -> None:
    lines = latex(awkward(tmp_path)).splitlines()
    (columns,) = [line for line in lines if "{tabular}{" in line]
    assert columns.endswith("{lrrrrr}")
    rows = [line for line in lines if line.endswith("\\\\")]
    assert len(rows) == 1 + 5 + 2
    assert {row.replace("\\&", "").count("&") for row in rows} == {5}
    assert "valid" not in "".join(lines), "the main metric and the tests are enough for a page"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs TeX")
def test_it_compiles_in_a_plain_document(tmp_path: Path) -> None:
    (tmp_path / "summary.tex").write_text(latex(awkward(tmp_path)))
    document = r"\documentclass{article}\usepackage{booktabs}\begin{document}\input{summary.tex}\end{document}"
    (tmp_path / "plain.tex").write_text(document)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "plain.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
    log = (tmp_path / "plain.log").read_text(errors="replace")
    assert "Missing character" not in log
    assert "Overfull" not in log, "it fits the page"
