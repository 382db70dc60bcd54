"""The studies, each a file of this folder that ends with its `STUDY`; to add one, add its file."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from reports.study import Study


def names() -> list[str]:
    """What `benchmark study` calls them: the names of the files, in their order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> Study:
    """One of `names`."""
    study = import_module(f"{__name__}.{name}").STUDY
    assert isinstance(study, Study)
    return study
