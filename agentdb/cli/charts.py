"""What a report of usage looks like as bars: which there are, what they are made of, and what they are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta, tzinfo
from decimal import Decimal
from itertools import islice
from typing import Final, TypeAlias

from agentdb.records import UsageTotals
from agentdb.services.periods import Unit, periods

Amount: TypeAlias = Decimal | int

MOST_BARS: Final = 20
"""Of a chart that is not a course of time; the others are one bar together."""

MOST_PARTS: Final = 5

_TOKENS: Final = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cache read": "cache_read_tokens",
    "cache write": "cache_write_tokens",
}


@dataclass(frozen=True, slots=True)
class Group:
    """One line of a report.

    Attributes:
        name: Of all that it is grouped by beside the time, such as a model; empty if there is nothing else.
    """

    name: str
    totals: UsageTotals


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars, each made of the same parts.

    Attributes:
        parts: Amounts by the name of the part, one for each label.
        decimals: How many of them an amount is told with.
        is_course: Whether the labels are periods, from the earliest to the latest without a gap.
    """

    title: str
    labels: tuple[str, ...]
    parts: Mapping[str, tuple[Amount, ...]]
    is_course: bool
    decimals: int

    @property
    def sums(self) -> tuple[Amount, ...]:
        """How long each bar is."""
        return tuple(map(sum, zip(*self.parts.values(), strict=True)))


def charts_of(groups: Sequence[Group], *, by: Sequence[str], unit: Unit | None, zone: tzinfo) -> tuple[Chart, Chart]:
    """Costs and tokens, as a course of time if the report is grouped by a unit of it, else the dearest first.

    Args:
        groups: At least one, in the order of `db.usage.report`.
    """
    told = " and ".join(by)
    if unit is None:
        labels = _cut(_dearest(groups), MOST_BARS)
        costs = {"cost": _summed(((group.name, group.totals.cost_usd) for group in groups), labels)}
        tokens = _tokens(((group.name, group.totals) for group in groups), labels)
    else:
        labels = _labels(groups, unit, zone)
        costs = _costs_in_time(groups, labels)
        tokens = _tokens(((str(group.totals.period), group.totals) for group in groups), labels)
    return (
        Chart(f"Cost by {told}, US dollars", labels, costs, is_course=unit is not None, decimals=4),
        Chart(f"Tokens by {told}", labels, tokens, is_course=unit is not None, decimals=0),
    )


def _labels(groups: Sequence[Group], unit: Unit, zone: tzinfo) -> tuple[str, ...]:
    """Periods from the first with usage to the last, those without it too."""
    starts = [group.totals.start for group in groups if group.totals.start is not None]
    return tuple(one.label for one in periods(min(starts), max(starts) + timedelta.resolution, unit, zone))


def _dearest(groups: Sequence[Group]) -> list[str]:
    """The names, each once: all whose user was erased have the same."""
    spent: dict[str, Decimal] = {}
    for group in groups:
        spent[group.name] = spent.get(group.name, Decimal(0)) + group.totals.cost_usd
    return sorted(spent, key=lambda name: -spent[name])


def _costs_in_time(groups: Sequence[Group], labels: Sequence[str]) -> dict[str, tuple[Amount, ...]]:
    names = _cut(_dearest(groups), MOST_PARTS)
    rest = names[-1]
    return {
        name or "cost": _summed(
            (
                (str(group.totals.period), group.totals.cost_usd)
                for group in groups
                if (group.name if group.name in names else rest) == name
            ),
            labels,
        )
        for name in names
    }


def _tokens(labelled: Iterable[tuple[str, UsageTotals]], labels: Sequence[str]) -> dict[str, tuple[Amount, ...]]:
    found = list(labelled)
    return {
        kind: _summed(((label, getattr(totals, field)) for label, totals in found), labels)
        for kind, field in _TOKENS.items()
    }


def _cut(names: Sequence[str], most: int) -> tuple[str, ...]:
    """The first names, and what all others are called together."""
    if len(names) <= most:
        return tuple(names)
    return (*islice(names, most - 1), f"{len(names) - most + 1} others")


def _summed(amounts: Iterable[tuple[str, Amount]], labels: Sequence[str]) -> tuple[Amount, ...]:
    """The amounts of each label; what has none of its own counts with the last."""
    sums: dict[str, Amount] = dict.fromkeys(labels, 0)
    for label, amount in amounts:
        sums[label if label in sums else labels[-1]] += amount
    return tuple(sums.values())
