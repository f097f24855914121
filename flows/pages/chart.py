"""A view's last runs as a small chart: an SVG that stands in the Markdown itself, since nothing else is there to be asked for it."""

from base64 import b64encode
from collections.abc import Sequence

from shardlake.ledger.history import PastRun

_WIDTH, _GAP, _HEIGHT = 18, 4, 56
_GOOD, _BAD = "#2ac769", "#fb4e4e"
"""Prefect's own green and red, which are seen on its light and on its dark pages."""


def chart(runs: Sequence[PastRun]) -> str:
    """The runs as bars, the oldest first: as high as they took long, red where something did not arrive. As a Markdown image."""
    longest = max((run.seconds for run in runs), default=0.0) or 1.0
    bars = []
    for place, run in enumerate(runs):
        height = max(3, round((_HEIGHT - 2) * run.seconds / longest))
        color = _GOOD if run.state == "completed" else _BAD
        said = f"{run.started_at:%Y-%m-%d %H:%M:%S}: {run.rows:,} rows in {run.seconds:,.1f} s"
        bars.append(
            f'<rect x="{place * (_WIDTH + _GAP)}" y="{_HEIGHT - height}" width="{_WIDTH}" height="{height}" rx="2" fill="{color}">'
            f"<title>{said}</title></rect>"
        )
    width = max(1, len(runs) * (_WIDTH + _GAP) - _GAP)
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HEIGHT}">{"".join(bars)}</svg>'
    return f"![{alt(runs)}](data:image/svg+xml;base64,{b64encode(svg.encode()).decode()})"


def alt(runs: Sequence[PastRun]) -> str:
    """What the chart shows, for who does not see it."""
    bad = sum(run.state != "completed" for run in runs)
    return f"{len(runs)} runs, {bad} of them not well"
