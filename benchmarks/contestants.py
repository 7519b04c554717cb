"""Contestants by their names. Only the libraries of the one that is asked for are imported."""

from __future__ import annotations

from benchmarks.contestant import Contestant
from benchmarks.places import Place, SqlitePlace


def contestant(kind: str, place: Place) -> Contestant:
    """A contestant by its name; only its own libraries are imported."""
    match kind:
        case "floor" if isinstance(place, SqlitePlace):
            from benchmarks.floors_sqlite import SqliteFloor

            return SqliteFloor(place)
        case "floor":
            from benchmarks.floors_postgres import PostgresFloor

            assert not isinstance(place, SqlitePlace)
            return PostgresFloor(place)
        case "agentdb":
            from benchmarks.contestant_agentdb import AgentDb

            return AgentDb(place)
        case "tortoise":
            from benchmarks.contestant_tortoise import PlainTortoise

            return PlainTortoise(place)
        case "sqlalchemy":
            from benchmarks.contestant_sqlalchemy import SqlAlchemy

            return SqlAlchemy(place)
    raise ValueError(f"No contestant is called {kind!r}.")
