"""What `benchmark query` prints."""

from __future__ import annotations

from data.truth import CellRecord
from spaces import NASBENCH201


def describe_cell(record: CellRecord, label: str) -> str:
    """All that a truth table knows of a cell: a line a metric and training."""
    facts = {
        "official index": record.index,
        "parameters": None if record.params is None else f"{record.params:,}",
        "million operations": None if record.flops_m is None else f"{record.flops_m:.2f}",
    }
    lines = [
        str(record.cell),
        "; ".join(f"{name} {value}" for name, value in facts.items() if value is not None),
        label,
    ]
    for m in record.measurements:
        training = "" if m.epochs is None else f"{m.epochs:>4} epochs"
        runs = ", ".join(f"{accuracy:.3f} (seed {seed})" for seed, accuracy in m.runs.items())
        seconds = "" if m.train_seconds is None else f"   trained {m.train_seconds:,.0f} s"
        lines.append(
            f"  {m.metric:<20}{training}{m.accuracy:8.3f} %   rank {m.rank:>6,} of {len(NASBENCH201):,}   "
            f"regret {m.regret:6.3f}{seconds}{f'   runs {runs}' if runs else ''}"
        )
    return "\n".join(line for line in lines if line)
