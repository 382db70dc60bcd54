"""Statistics, tables and plots of a results folder. They read its rows and nothing else."""


class RowsError(Exception):
    """A results folder without readable rows; the message says which file and what to do."""
