"""The summary as a LaTeX table: `summary.tex`, to be read in where the preamble has `booktabs`."""

from __future__ import annotations

import pandas as pd

from reports.inference import Interval
from reports.results import Results, metric_name
from reports.statistics import Spread
from reports.tables import DOUBTFUL, REFERENCES, count, interval_text, normality_doubt, number, plus_minus

SPECIAL = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "α": r"$\alpha$",
    "β": r"$\beta$",
    "λ": r"$\lambda$",
    "†": r"$\dagger$",
    "‡": r"$\ddagger$",
    "‹": "$<$",
    "›": "$>$",
}
"""Characters that LaTeX takes for commands, or that its plain fonts lack."""

FIRST_UNKNOWN = 0x180
"""The Unicode blocks from here on are none of its plain fonts'."""


def summary_latex(results: Results, table: pd.DataFrame) -> str:
    """The text of `summary.tex`, of the table that `reports.tables.summary` gives.

    Of the metrics it has the main one and the other test accuracies; where there are others, they take the place of
    the interval and the collapsed seeds, since more would not fit the width of a page.
    """
    metrics = [metric for metric in results.metrics if metric == results.metric or metric.endswith("_test")]
    alone = len(metrics) == 1
    header = ["Method", "n", *(metric_name(metric).removesuffix(" test") for metric in metrics)]
    header += ["95 % interval", "Median rank", "Collapsed"] if alone else ["Median rank"]
    methods, references, doubtful = [], [], False
    for _, row in table.iterrows():
        if row["kind"] == "reference":
            rank = count(row["rank_median"]) if row["method"] == "optimal" else ""
            cells = [REFERENCES[row["method"]], "", *(number(row[f"{metric}_mean"]) for metric in metrics)]
            references.append(cells + (["", rank, ""] if alone else [rank]))
        else:
            levels = [plus_minus(Spread(row[f"{metric}_mean"], row[f"{metric}_std"])) for metric in metrics]
            rank = count(row["rank_median"])
            interval = Interval(row[f"{results.metric}_low"], row[f"{results.metric}_high"])
            doubt = normality_doubt(interval, row[f"{results.metric}_normality_p"], results.best(results.metric))
            doubtful |= bool(doubt)
            of_seeds = [interval_text(interval, doubtful=bool(doubt)), rank, f"{row['collapsed']} of {row['n']}"]
            methods.append([results.name(row["method"]), str(row["n"]), *levels, *(of_seeds if alone else [rank])])
    of_mean = f", and Student's interval of the mean{f' ({DOUBTFUL} normality is doubtful)' * doubtful}"
    caption = (
        f"True test accuracy (%) of the chosen cells: mean ± sample standard deviation over n seeds"
        f"{of_mean if alone else ''}; rank by {metric_name(results.metric)} among "
        f"all {len(results.cells):,} cells. Truth: {results.truth}; searched on {results.images}; "
        f"preset {results.preset}. {results.flattered}".rstrip()
    )
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"  \centering",
        r"  \footnotesize",
        r"  \setlength{\tabcolsep}{4pt}",
        rf"  \caption{{{escaped(caption)}}}",
        r"  \label{tab:summary}",
        rf"  \begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
        r"    \toprule",
        _line(header),
        r"    \midrule",
        *map(_line, methods),
        r"    \midrule",
        *map(_line, references),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """`text` as LaTeX prints it, in one paragraph; characters that its plain fonts lack as question marks."""
    return "".join(
        SPECIAL.get(character, character if ord(character) < FIRST_UNKNOWN else "?")
        for character in " ".join(text.split())
    )


def _line(cells: list[str]) -> str:
    return f"    {' & '.join(map(escaped, cells))} \\\\"
