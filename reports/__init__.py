"""Statistics, tables and plots of a results folder. They read its rows and nothing else."""

STUDIES = {
    "correlation": "How well does each method's own score rank all cells by their true accuracy as it trains?",
    "collapse": "Which conditions of the search make DARTS choose skip connections?",
    "regularisers": "What do Adam's weight decay, L2 and β-decay on α do to DARTS (β-DARTS' figure)?",
    "budget": "How much do DARTS and β-DARTS depend on the number of epochs and the amount of data?",
    "transfer": "How good is a cell that was searched on one data set on the others?",
    "precision": "Do faster number formats (tf32, bf16) change what DARTS and β-DARTS find?",
    "discretisation": "Does α rank operations as their accuracy after discretisation does (DARTS-PT, question 1)?",
}
"""The question of every study, by the name that `benchmark study` takes."""

UNCHANGED = "as the preset"
"""The first condition of the study `collapse`, with which the others are compared."""


def run_name(method: str, seed: int) -> str:
    """What a run is called, in messages and in the names of its files."""
    return f"{method}-seed{seed}"


class RowsError(Exception):
    """A results folder without readable rows; the message says which file and what to do."""
