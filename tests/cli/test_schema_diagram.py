"""`agentdb schema`: every table, column and key of the schema is in the diagram, and no database is needed for it."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from agentdb.engine.location import dialect_of
from agentdb.lifecycle.schema import expected_schema
from agentdb.models import INTERNAL_TABLES, TABLES
from agentdb.models.names import DOMAINS
from agentdb.operations.diagrams import entities
from tests.cli.command_line import Command

SVG = "{http://www.w3.org/2000/svg}"
SCHEMA = expected_schema(dialect_of("postgresql"))
KEYS = {(name, key.column, key.table) for name, table in SCHEMA.items() for key in table.foreign_keys.values()}


def blocks(text: str) -> dict[str, list[str]]:
    """The lines of each table in a Mermaid diagram."""
    return {name: body.split("\n") for name, body in re.findall(r"^ {4}(\w+) \{\n(.*?)\n {4}\}$", text, re.M | re.S)}


def test_mermaid_has_every_table_and_column(cli: Command) -> None:
    """In the order of the domains, with types that its grammar takes."""
    done = cli("schema")
    found = blocks(done.out)

    assert done.code == 0
    assert done.out.startswith("erDiagram\n")
    assert found.keys() == {*TABLES, *INTERNAL_TABLES}
    for name, lines in found.items():
        columns = [
            re.fullmatch(r' {8}[a-z][\w()-]* (\w+)( (PK|FK|UK)(, (FK|UK))?)?( "[^"]*")?', line) for line in lines
        ]
        assert [column and column[1] for column in columns] == list(SCHEMA[name].columns)
    assert re.findall(r"%% (\w+)", done.out) == [*DOMAINS, "references"]


def test_mermaid_marks_keys_and_nulls(cli: Command) -> None:
    """As in the database: a key that is never null is a line without gaps."""
    shown = cli("schema").out
    found = blocks(shown)

    assert "        bigint id PK" in found["User"]
    assert '        text email UK "null"' in found["User"]
    assert '        bigint roleID FK "null; to Role, on delete set null"' in found["User"]
    assert '        text requestId "null; unique with userID and requestIndex"' in found["Usage"]
    assert '        bigint messageID FK, UK "to Message, on delete cascade"' in found["agentdb_search"]
    assert "    User ||--o{ Conversation : userID\n" in shown
    assert "    User |o..o{ Usage : userID\n" in shown
    assert "    Message ||--o| agentdb_search : messageID\n" in shown


def test_mermaid_has_a_line_for_each_key(cli: Command) -> None:
    """From the parent to the child, also where a table points to itself."""
    lines = re.findall(r"^ {4}(\w+) (?:\|\||\|o)(?:--|\.\.)o[{|] (\w+) : (\w+)$", cli("schema").out, re.M)

    assert {(child, column, parent) for parent, child, column in lines} == KEYS
    assert len(lines) == len(KEYS)


def test_some_domains(cli: Command) -> None:
    """With the lines between their tables only: there is no table without its columns."""
    shown = cli("schema", "conversations", "usage").out

    assert blocks(shown).keys() == {"Conversation", "Message", "Usage"}
    assert "Message |o..o{ Usage : messageID" in shown
    assert not re.search(r"^ {4}(User|Agent) ", shown, re.M)


def test_svg_is_a_drawing_of_all(cli: Command, tmp_path: Path) -> None:
    """The file's name says what it is. Every name is there, no two tables overlap, nothing is off the paper."""
    done = cli("schema", "--output", str(tmp_path / "schema.svg"), "--json")
    root = ET.fromstring((tmp_path / "schema.svg").read_text())
    texts = [text.text for text in root.iter(f"{SVG}text")]
    paper, *boxes = [
        [int(shape.attrib[name]) for name in ("x", "y", "width", "height")] for shape in root.iter(f"{SVG}rect")
    ]
    tables = boxes[::2]  # each is followed by its header

    assert done.code == 0
    assert {*DOMAINS, *SCHEMA} <= set(texts)
    for name, table in SCHEMA.items():
        at = texts.index(name)
        assert texts[at + 2 : at + 2 + 3 * len(table.columns) : 3] == list(table.columns)
    assert len(tables) == len(SCHEMA)
    assert not [pair for pair in combinations(tables, 2) if overlap(*pair)]
    assert all(x + width <= paper[2] and y + height <= paper[3] for x, y, width, height in tables)
    assert len([*root.iter(f"{SVG}path")]) == len(KEYS)


def overlap(one: list[int], other: list[int]) -> bool:
    """Whether two rectangles share a point."""
    return all(one[side] < other[side] + other[side + 2] and other[side] < one[side] + one[side + 2] for side in (0, 1))


@pytest.mark.parametrize("domain", DOMAINS)
def test_svg_of_one_domain(cli: Command, domain: str) -> None:
    """Keys that lead elsewhere name their table, and have no line."""
    root = ET.fromstring(cli("schema", domain, "--format", "svg").out)
    shown = {text.text for text in root.iter(f"{SVG}text")}

    assert {table.name for table in entities([domain])} <= shown  # type: ignore[list-item]  # it is one
    if domain == "usage":
        assert "→ Message?" in shown
        assert [*root.iter(f"{SVG}path")] == []


def test_two_drawings_are_equal(cli: Command) -> None:
    """So that a drawing in a repository changes when the schema does."""
    assert cli("schema").out == cli("schema").out
    assert cli("schema", "--format", "svg").out == cli("schema", "--format", "svg").out


def test_json_tells_the_same(cli: Command) -> None:
    """For programs that draw it their own way."""
    tables = {table["name"]: table for table in cli("schema", "--json").data["tables"]}
    email = next(one for one in tables["User"]["attributes"] if one["name"] == "email")

    assert tables.keys() == SCHEMA.keys()
    assert tables["User"]["domain"] == "access"
    assert (email["type"], email["is_unique"], email["is_nullable"]) == ("text", True, True)


def test_no_database_is_needed(process: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Settings that no command could connect with do not matter, and nothing is made."""
    monkeypatch.setenv("AGENTDB_URL", "oracle://nowhere")
    before = sorted(tmp_path.rglob("*"))
    done = process("schema")

    assert (done.code, done.err) == (0, "")
    assert sorted(tmp_path.rglob("*")) == before


def test_what_cannot_be_drawn_or_written(cli: Command, tmp_path: Path) -> None:
    """A misspelt domain is wrong usage; a file that cannot be written is an error with its path."""
    (tmp_path / "file").write_text("")
    misspelt, below_a_file = cli("schema", "users"), cli("schema", "-o", f"{tmp_path}/file/schema.svg")

    assert (misspelt.code, misspelt.out) == (2, "")
    assert "conversations" in misspelt.err
    assert (below_a_file.code, below_a_file.out) == (1, "")
    assert below_a_file.err.startswith(f"{tmp_path}/file/schema.svg cannot be written")
