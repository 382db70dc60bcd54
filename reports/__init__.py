"""Statistics, tables and plots of a results folder. They read its rows and nothing else."""


def run_name(method: str, seed: int) -> str:
    """What a run is called, in messages and in the names of its files."""
    return f"{method}-seed{seed}"


class RowsError(Exception):
    """A results folder without readable rows; the message says which file and what to do."""
