"""Charts as lines of text, with rich alone: every installation can draw them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.text import Text

from agentdb.cli.charts import Amount, Chart

MOST_LINES: Final = 60

# Told apart without colours too.
_BLOCKS: Final = "█▓▒░▞"
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"
_STYLES: Final = ("cyan", "magenta", "yellow", "green", "blue")
_WIDEST_LABEL: Final = 40


def bars(chart: Chart, width: int) -> Iterator[Text]:
    """The lines of a chart: its title, what its blocks mean, and a bar for each label."""
    yield Text(chart.title, style="bold")
    if len(chart.parts) > 1:
        yield Text("  ").join(
            Text(block, style=style) + Text(f" {name}")
            for block, style, name in zip(_BLOCKS, _STYLES, chart.parts, strict=False)
        )
    left_out = max(0, len(chart.labels) - MOST_LINES)
    if left_out:
        yield Text(f"{left_out} earlier ones are not drawn.")
    shown = range(left_out, len(chart.labels))
    labels = [_fitted(chart.labels[position]) for position in shown]
    amounts = [f"{chart.sums[position]:,.{chart.decimals}f}" for position in shown]
    room = width - max(map(len, labels)) - max(map(len, amounts)) - 2
    longest = max(chart.sums[position] for position in shown)
    for position, label, amount in zip(shown, labels, amounts, strict=True):
        bar = _bar([part[position] for part in chart.parts.values()], longest, max(room, 1))
        yield Text(f"{label.ljust(max(map(len, labels)))} ") + bar + Text(f" {amount}")


def _bar(parts: list[Amount], longest: Amount, room: int) -> Text:
    if longest <= 0:
        return Text()
    # Ends are rounded and not lengths, so that the whole bar is as long as its sum.
    ends = [sum(parts[: count + 1]) * room * 8 // longest for count in range(len(parts))]
    if len(parts) == 1:
        full, eighths = divmod(int(ends[0]), 8)
        return Text(_BLOCKS[0] * full + _EIGHTHS[eighths].strip(), style=_STYLES[0])
    bar, begin = Text(), 0
    for block, style, end in zip(_BLOCKS, _STYLES, ends, strict=False):
        cells = round(end / 8)
        bar.append(block * (cells - begin), style=style)
        begin = max(begin, cells)
    return bar


def _fitted(label: str) -> str:
    return label if len(label) <= _WIDEST_LABEL else f"{label[: _WIDEST_LABEL - 1]}…"
