"""Charts as a PNG or SVG file, with matplotlib, whose own window system is never asked for: no display is needed."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, Final

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from agentdb.cli.charts import Chart

# By Okabe and Ito: most people who do not see all colours tell them apart.
_COLOURS: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9")
_MOST_TICKS: Final = 16
_STYLE: Final[dict[Any, Any]] = {
    "svg.hashsalt": "agentdb",
    "text.parse_math": False,  # a name may hold two dollar signs
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def picture(charts: Sequence[Chart], kind: str) -> bytes:
    """The charts below each other. The same charts give the same bytes.

    Args:
        kind: "png" or "svg".
    """
    with rc_context(_STYLE):
        figure = figure_of(charts)
        written = io.BytesIO()
        # Without the date, and without the version of matplotlib.
        metadata = {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
        figure.savefig(written, format=kind, dpi=150, metadata=metadata)
    return written.getvalue()


def figure_of(charts: Sequence[Chart]) -> Figure:
    """Upright bars for a course of time, lying ones for anything else, whose names are longer."""
    tallest = max(3.2, 0.28 * len(charts[0].labels)) if not charts[0].is_course else 3.2
    figure = Figure(figsize=(10, tallest * len(charts)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(charts), squeeze=False)[:, 0]
    for axes, chart in zip(panels, charts, strict=True):
        _draw(axes, chart)
    return figure


def _draw(axes: Axes, chart: Chart) -> None:
    places = range(len(chart.labels))
    begin = [0.0] * len(chart.labels)
    for (name, amounts), colour in zip(chart.parts.items(), _COLOURS, strict=False):
        lengths = [float(amount) for amount in amounts]  # of lines on paper
        if chart.is_course:
            axes.bar(places, lengths, bottom=begin, color=colour, label=name)
        else:
            axes.barh(places, lengths, left=begin, color=colour, label=name)
        begin = [one + length for one, length in zip(begin, lengths, strict=True)]
    set_limits = axes.set_ylim if chart.is_course else axes.set_xlim
    set_limits(0, max(begin) * 1.05 or 1)
    _name(axes, chart)
    axes.set_title(chart.title, loc="left", fontweight="bold")
    if len(chart.parts) > 1:
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _name(axes: Axes, chart: Chart) -> None:
    amounts = axes.yaxis if chart.is_course else axes.xaxis
    amounts.set_major_formatter(FuncFormatter(lambda amount, _: f"{amount:,.10f}".rstrip("0").rstrip(".")))
    amounts.set_major_locator(MaxNLocator(nbins=6))
    axes.grid(axis="y" if chart.is_course else "x", linewidth=0.5, alpha=0.5)
    axes.set_axisbelow(True)
    if chart.is_course:
        every = -(-len(chart.labels) // _MOST_TICKS)
        places = range(0, len(chart.labels), every)
        axes.set_xticks(places, [chart.labels[place] for place in places], rotation=30, ha="right")
        return
    axes.set_yticks(range(len(chart.labels)), chart.labels)
    axes.invert_yaxis()  # the dearest on top
