"""The errors that a command tells in one sentence, without a traceback."""


class SettingsError(Exception):
    """A preset, option or value that cannot be used; the message says which, and what to do. Exit code 2."""


class RunError(Exception):
    """Runs that could not be carried out, through no fault of the input; the message says what to do. Exit code 1."""
