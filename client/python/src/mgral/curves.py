"""Learning curves: how accurate the detector became, over how many labels it took."""

from __future__ import annotations

import dataclasses
from typing import Any, List, Mapping, Optional, Sequence, Union

from mgral.connection import Path
from mgral.pool import Pool


@dataclasses.dataclass(frozen=True)
class CurvePoint:
    """One cycle: labeled images that were trained on, and mAP on the validation images, 0 to 1."""

    labels: int
    map50: float
    map: float
    cycle: str


def learning_curve(pool: Pool) -> List[CurvePoint]:
    """A point per cycle that succeeded, oldest first."""
    points = [CurvePoint(cycle.training_images, cycle.map50, cycle.map, cycle.name)
              for cycle in pool.cycles() if cycle.state == "SUCCEEDED"]
    return points[::-1]


def plot_learning_curve(curves: Union[Pool, Mapping[str, Union[Pool, Sequence[CurvePoint]]]],
                        path: Optional[Path] = None, *, axes: Optional[Any] = None) -> Any:
    """Draws mAP@.5 over labels with matplotlib, of one pool or of several by their titles; into
    `axes` or a new figure, and into the file `path` if given. Returns the axes."""
    from matplotlib import figure

    if isinstance(curves, Pool):
        curves = {curves.display_name or curves.name: curves}
    if axes is None:
        axes = figure.Figure(figsize=(6.4, 4), layout="tight").subplots()
    for title, curve in curves.items():
        points = learning_curve(curve) if isinstance(curve, Pool) else curve
        axes.plot([point.labels for point in points], [point.map50 for point in points],
                  marker="o", label=title)
    axes.set_xlabel("labeled images")
    axes.set_ylabel("mAP@.5 on the validation images")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    if path is not None:
        drawn = axes.get_figure()
        if not isinstance(drawn, figure.Figure):
            raise ValueError("axes are of no figure, or of a part of one: save the figure itself")
        drawn.savefig(path, dpi=150)
    return axes
