"""The seed files hold the reference data of the schema, and their prompts fit their agents."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agentdb.lifecycle import csv_file
from agentdb.lifecycle.csv_file import Column, read_rows

DATA = Path(csv_file.__file__).parent / "data"

ID = NUMBER = Column("integer")
TEXT = Column("text")
MONEY = Column("money")

COLUMNS: dict[str, dict[str, Column]] = {
    "roles": {"id": ID, "name": TEXT, "displayOrder": NUMBER},
    "policies": {"id": ID, "name": TEXT, "resource": TEXT, "action": TEXT},
    "role-policies": {"id": ID, "roleID": ID, "policyID": ID},
    "providers": {"id": ID, "name": TEXT, "apiKey": Column("text", holds_secret=True)},
    "models": {
        "id": ID,
        "providerID": ID,
        "name": TEXT,
        "internalName": TEXT,
        "type": TEXT,
        "cost1kInput": MONEY,
        "cost1kOutput": MONEY,
        "cost1kCacheRead": MONEY,
        "cost1kCacheWrite": MONEY,
        "maxContext": NUMBER,
        "maxOutput": NUMBER,
        "maxReasoning": NUMBER,
    },
    "prompts": {"id": ID, "name": TEXT, "version": NUMBER, "content": TEXT},
    "agents": {"id": ID, "userID": ID, "promptID": ID, "name": TEXT},
    "tools": {"id": ID, "name": TEXT, "description": TEXT, "type": TEXT},
    "agent-tools": {"id": ID, "agentID": ID, "toolID": ID},
}


def seeds(name: str) -> list[dict[str, Any]]:
    rows = read_rows(DATA / f"{name}.csv", columns=COLUMNS[name], environ={"GEMINI_API_KEY": "a key"})
    return [row.values for row in rows]


def values(name: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in seeds(name)]


def usd(*amounts: str | None) -> tuple[Decimal | None, ...]:
    return tuple(None if amount is None else Decimal(amount) for amount in amounts)


EXPECTED: dict[str, list[tuple[Any, ...]]] = {
    "roles": [(1, "admin", 2), (2, "super user", 1), (3, "user", 0)],
    "policies": [
        (1, "Admin All", "*", "*"),
        (2, "Use Chat", "chat", "use"),
        (3, "Read Agents", "agents", "read"),
        (4, "Write Agents", "agents", "write"),
        (5, "Manage Users", "users", "manage"),
        (6, "View Analytics", "analytics", "view"),
    ],
    "role-policies": [(1, 1, 1), (2, 2, 2), (3, 2, 3), (4, 2, 4), (5, 3, 2), (6, 3, 3)],
    "providers": [(1, "bedrock", None), (2, "google", "a key"), (99, "mock", None)],
    "models": [
        (1, 1, "Opus 4.6", "us.anthropic.claude-opus-4-6-v1", "chat")
        + usd("0.005", "0.025", "0.0005", "0.00625")
        + (200000, 64000, 60000),
        (2, 1, "Sonnet 4.6", "us.anthropic.claude-sonnet-4-6", "chat")
        + usd("0.003", "0.015", "0.0003", "0.00375")
        + (1000000, 64000, 60000),
        (3, 1, "Haiku 4.5", "us.anthropic.claude-haiku-4-5-20251001-v1:0", "chat")
        + usd("0.001", "0.005", "0.00008", "0.001")
        + (200000, 32000, 30000),
        (4, 1, "Maverick", "us.meta.llama4-maverick-17b-instruct-v1:0", "chat")
        + usd("0.00024", "0.00097", None, None)
        + (1000000, 8192, 0),
        (5, 1, "Scout", "us.meta.llama4-scout-17b-instruct-v1:0", "chat")
        + usd("0.00017", "0.00066", None, None)
        + (3500000, 8192, 0),
        (10, 2, "Gemini 2.5 Pro", "gemini-2.5-pro-preview-06-05", "chat")
        + usd("0.0025", "0.015", None, None)
        + (1048576, 65536, 1000000),
        (11, 2, "Gemini 2.5 Flash", "gemini-2.5-flash-preview-04-17", "chat")
        + usd("0.00015", "0.0035", None, None)
        + (1048576, 65536, 1000000),
        (99, 99, "Mock Model", "mock-model", "chat")
        + usd("0.0000001", "0.0000005", "0.00000001", "0.00000012")
        + (1000000, 100000, 500000),
    ],
    "agents": [(1, None, 1, "Standard Chat"), (2, None, 2, "FedPulse"), (3, None, 3, "EAGLE")],
    "tools": [
        (1, "search", "Web search", "builtin"),
        (2, "browse", "Browse URL", "builtin"),
        (3, "code", "Code execution", "builtin"),
        (4, "editor", "Text editor", "builtin"),
        (5, "think", "Extended thinking", "builtin"),
        (6, "data", "Data analysis", "builtin"),
        (7, "docxTemplate", "DOCX template generation", "builtin"),
    ],
    "agent-tools": [
        *((tool, 1, tool) for tool in range(1, 6)),
        *((tool + 5, 2, tool) for tool in range(1, 6)),
        *((tool + 10, 3, tool) for tool in range(1, 8)),
    ],
}


@pytest.mark.parametrize("name", EXPECTED)
def test_the_rows_are_the_reference_data(name: str) -> None:
    assert values(name) == EXPECTED[name]


@pytest.mark.parametrize("name", COLUMNS)
def test_the_header_is_complete_and_in_order(name: str) -> None:
    header = (DATA / f"{name}.csv").read_text().partition("\n")[0]

    assert header.split(",") == list(COLUMNS[name])


def test_a_prompt_is_the_text_of_its_file() -> None:
    expected = [
        (number, f"{name}-system-prompt", 1, (DATA / "prompts" / f"{name}.txt").read_text())
        for number, name in enumerate(("ada", "fedpulse", "eagle"), 1)
    ]

    assert values("prompts") == expected


def test_there_are_no_other_files() -> None:
    found = {path.relative_to(DATA).as_posix() for path in DATA.rglob("*") if path.is_file()}

    assert found == {f"{name}.csv" for name in COLUMNS} | {
        f"prompts/{name}.txt" for name in ("ada", "fedpulse", "eagle")
    }


@pytest.mark.parametrize("path", sorted(DATA.rglob("*.*")), ids=lambda path: str(path.name))
def test_a_file_has_plain_line_ends_and_a_final_one(path: Path) -> None:
    content = path.read_bytes()

    assert b"\r" not in content
    assert content.endswith(b"\n")
    assert not content.endswith(b"\n\n")
    assert not content.startswith(b"\xef\xbb\xbf")


def test_prices_are_written_in_plain_notation() -> None:
    assert not re.search(r"\d[eE][+-]?\d", "\n".join(re.findall(r",chat,(.*)", (DATA / "models.csv").read_text())))


def test_a_missing_provider_key_is_null() -> None:
    rows = read_rows(DATA / "providers.csv", columns=COLUMNS["providers"], environ={})

    assert [row.values["apiKey"] for row in rows] == [None, None, None]


AGENTS = [name for *_, name in EXPECTED["agents"]]


def prompt_of(agent: str) -> str:
    prompts = {row["id"]: row["content"] for row in seeds("prompts")}
    return str(next(prompts[row["promptID"]] for row in seeds("agents") if row["name"] == agent))


def tools_of(agent: str) -> set[str]:
    number = next(row["id"] for row in seeds("agents") if row["name"] == agent)
    held = {row["toolID"] for row in seeds("agent-tools") if row["agentID"] == number}
    return {row["name"] for row in seeds("tools") if row["id"] in held}


@pytest.mark.parametrize("agent", AGENTS)
def test_a_prompt_explains_exactly_the_tools_of_its_agent(agent: str) -> None:
    """Tools stand between backticks, and nothing else does."""
    assert set(re.findall(r"`([^`]+)`", prompt_of(agent))) == tools_of(agent)


@pytest.mark.parametrize("agent", AGENTS)
def test_a_prompt_is_of_use_as_it_is(agent: str) -> None:
    """It is long enough to guide, has sections, nothing to fill in, and no paragraph twice."""
    prompt = prompt_of(agent)
    paragraphs = [line for line in prompt.splitlines() if line and not line.startswith("#")]

    assert 3_000 <= len(prompt) <= 9_000
    assert len(re.findall(r"^# ", prompt, re.MULTILINE)) >= 5
    assert not re.search(r"\{\{|\$\{|\{\w+\}|<\w+>|TODO|TBD|lorem ipsum", prompt, re.IGNORECASE)
    assert len(set(paragraphs)) == len(paragraphs)
