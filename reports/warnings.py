"""Warnings against reading too much into the rows, in the same words everywhere."""

from __future__ import annotations

from collections.abc import Iterable

from reports.results import Results, failures_text, runs_text

Warning = tuple[str, str]
"""A claim, and what is behind it; in Markdown."""


def failures_warning(results: Results, variant: str = "") -> list[Warning]:
    """Of the runs that failed, if any did; `variant` names those of a study."""
    if not (failed := len(results.failures)):
        return []
    which = f" of {variant}" if variant else ""
    return [(f"{runs_text(failed)}{which} failed", f"and no number here counts them: {failures_text(results)}.")]


def digits_warning(folders: Iterable[Results]) -> list[Warning]:
    """Of searches on the digits, if any was."""
    if not any("digits" in images for results in folders for images in results.values("images")):
        return []
    why = "These images serve to try the program out: cells trained on them rank almost at random against any truth"
    return [("No claim is made from digits.", f"{why} table.")]


def quoted(warnings: Iterable[Warning]) -> list[str]:
    """As paragraphs of Markdown."""
    return [f"> **{claim}** {text}" for claim, text in warnings]
