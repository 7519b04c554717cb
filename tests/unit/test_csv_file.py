"""The CSV loader: its case table row by row, its grammar, and files that mean harm."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentdb.errors import SeedError
from agentdb.lifecycle import _csv_cells, csv_file
from agentdb.lifecycle.csv_file import Column, Kind, Row, load_csv, read_rows

Write: TypeAlias = Callable[..., Path]
TEXT = {"v": Column("text")}
ENVIRON = {"NAME": "007", "LIST": "[1]", "EMPTY": ""}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the seed file of a test, exactly these bytes, into a directory of its own."""

    def write(content: str | bytes) -> Path:
        path = tmp_path / "seeds" / "file.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def cell(path: Path, kind: Kind | None = None, env_names: Collection[str] = tuple(ENVIRON)) -> Any:
    """The value of the only cell, in column `v`."""
    columns = {"v": Column(kind)} if kind else None
    (row,) = read_rows(path, columns=columns, env_names=env_names, environ=ENVIRON)
    return row.values["v"]


def refusal(
    path: Path,
    columns: Mapping[str, Column] | None = None,
    *,
    line: int | None = 2,
    column: str | None = "v",
    says: str,
) -> str:
    """The message of the error that reading `path` must raise, with its place checked."""
    with pytest.raises(SeedError) as caught:
        read_rows(path, columns=columns, environ=ENVIRON)

    assert (caught.value.file, caught.value.line, caught.value.column) == (str(path), line, column)
    assert says in str(caught.value)
    return str(caught.value)


def same(value: object, expected: object) -> bool:
    """Equal, and of the same type: 1 is not True, and a float is not a Decimal."""
    return type(value) is type(expected) and value == expected


# The case table: without a column's word, the cell decides.

UNTYPED: dict[str, object] = {
    "null": None,
    '"null"': "null",
    " null ": None,
    "NULL": "NULL",
    "Null": "Null",
    "true": True,
    "false": False,
    "True": "True",
    "TRUE": "TRUE",
    '"true"': "true",
    "42": 42,
    "-5": -5,
    "+5": 5,
    ".5": 0.5,
    "5.": 5.0,
    "0": 0,
    '"42"': "42",
    "3.14": 3.14,
    "0.0000001": 0.0000001,
    "007": "007",
    '"007"': "007",
    "1e5": "1e5",
    "0x1F": "0x1F",
    "0b11": "0b11",
    "0o17": "0o17",
    "1_000": "1_000",
    '"1,000"': "1,000",
    "12px": "12px",
    "1 2": "1 2",
    "NaN": "NaN",
    "2026-01-01": "2026-01-01",
    "Infinity": "Infinity",
    "-Infinity": "-Infinity",
    "1e999": "1e999",
    "12345678901234567890": 12345678901234567890,
    "9007199254740993": 9007199254740993,
    "1.10": "1.10",
    "-0": -0.0,
    ".": ".",
    "0.12345678901234567890123": "0.12345678901234567890123",
    "9" * 5000: "9" * 5000,
    "\u0661\u0662": "\u0661\u0662",
    '"  hi  "': "  hi  ",
    "  hi  ": "hi",
    'ab"cd"ef': "abcdef",
    '"ab"cd': "abcd",
    'x"y,z"': "xy,z",
    ' "x,y"': "x,y",
    '""""': '"',
    '"[""a""]"': ["a"],
    '"{""k"":""v""}"': {"k": "v"},
    '"[null,true,1e5]"': [None, True, 100000.0],
    '"{""k"":""env:NAME""}"': {"k": "007"},
    '"{""k"":[{""l"":""env:NAME""}]}"': {"k": [{"l": "007"}]},
    '"{""env:NAME"":1}"': {"env:NAME": 1},
    '"{""k"":""file:a.txt""}"': {"k": "file:a.txt"},
    "env:NAME": "007",
    "env:LIST": "[1]",
    "env:EMPTY": "",
    "ENV:NAME": "ENV:NAME",
    "file:sub/a.txt": "content \n",
    '"file:sub/a.txt"': "content \n",
    "file:x": "beside the CSV",
}


@pytest.mark.parametrize(("written", "expected"), UNTYPED.items(), ids=[repr(text)[:40] for text in UNTYPED])
def test_an_untyped_cell_is_what_it_says(write: Write, written: str, expected: object) -> None:
    """A number only if nothing gets lost; what is quoted is text unless it is JSON or a reference."""
    path = write(f"v\n{written}\n")
    (path.parent / "sub").mkdir()
    (path.parent / "sub" / "a.txt").write_text("content \n")
    (path.parent / "x").write_text("beside the CSV")

    assert same(cell(path), expected)


def test_minus_zero_keeps_its_sign(write: Write) -> None:
    assert math.copysign(1, cell(write("v\n-0\n"))) == -1


@pytest.mark.parametrize("written", ['"{not json}"', "{", '"[1] x"', '"[NaN]"', '"[12345678901234567890]"'])
def test_what_only_looks_like_json_is_text_with_a_warning(
    write: Write, written: str, caplog: pytest.LogCaptureFixture
) -> None:
    value = cell(write(f"v\n{written}\n"))

    assert value == written.strip('"')
    assert [(record.name, record.levelname) for record in caplog.records] == [("agentdb.seed", "WARNING")]
    assert "line 2: the value of column 'v' looks like JSON" in caplog.text


def test_a_bare_list_is_two_cells(write: Write) -> None:
    assert load_csv(write("a,b\n[1,2]\n")) == [{"a": "[1", "b": "2]"}]


@pytest.mark.parametrize("written", ["env:MISSING", '"{""k"":""env:MISSING""}"'])
def test_an_unset_variable_is_null_with_a_warning_that_names_it(
    write: Write, written: str, caplog: pytest.LogCaptureFixture
) -> None:
    value = cell(write(f"v\n{written}\n"), env_names=["MISSING"])

    assert value in (None, {"k": None})
    assert [(record.name, record.levelname) for record in caplog.records] == [("agentdb.seed", "WARNING")]
    assert "MISSING" in caplog.text


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("env:GEMINI_API_KEY", "environment variable GEMINI_API_KEY is not set, the value of column '{}' is null."),
        ("{GEMINI_API_KEY}", "the value of column '{}' looks like JSON and is not, kept as text."),
    ],
)
@pytest.mark.parametrize("column", ["password", "api_key"])
def test_a_warning_about_a_secret_column_survives_redaction(
    write: Write, column: str, cell: str, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What follows a name like `password` and a colon would be hidden as its value."""
    path = write(f"{column}\n{cell}\n")
    read_rows(path, env_names=["GEMINI_API_KEY"], environ={})

    assert caplog.messages == [f"{path}, line 2: {says.format(column)}"]


@pytest.mark.parametrize("written", ["env: NAME", "env:", '"env:NAME "', '"{""k"":""env:""}"'])
def test_a_reference_without_a_name_is_an_error(write: Write, written: str) -> None:
    refusal(write(f"v\n{written}\n"), says="names no environment variable")


# The case table: a column's word goes first.

TYPED: list[tuple[Kind, str, object]] = [
    ("text", "null", None),
    ("text", '"null"', "null"),
    ("text", "42", "42"),
    ("text", "007", "007"),
    ("text", "1.10", "1.10"),
    ("text", "1e5", "1e5"),
    ("text", "Infinity", "Infinity"),
    ("text", "true", "true"),
    ("text", '"{""k"":1}"', '{"k":1}'),
    ("text", '"  hi  "', "  hi  "),
    ("text", "env:NAME", "007"),
    ("integer", "null", None),
    ("integer", "007", 7),
    ("integer", '"007"', 7),
    ("integer", '" 7 "', 7),
    ("integer", "1e5", 100000),
    ("integer", "5.", 5),
    ("integer", "-0", 0),
    ("integer", "+5", 5),
    ("integer", "9007199254740993", 9007199254740993),
    ("integer", "9223372036854775807", 2**63 - 1),
    ("integer", "-9223372036854775808", -(2**63)),
    ("money", "null", None),
    ("money", "3.14", Decimal("3.14")),
    ("money", "1.10", Decimal("1.1")),
    ("money", "0.0000001", Decimal("0.0000001")),
    ("money", "1e-7", Decimal("0.0000001")),
    ("money", ".5", Decimal("0.5")),
    ("money", "007", Decimal(7)),
    ("money", "899999999.9999999999", Decimal("899999999.9999999999")),
    ("boolean", "true", True),
    ("boolean", '"false"', False),
    ("boolean", "null", None),
    ("json", "null", None),
    ("json", '"null"', None),
    ("json", "42", 42),
    ("json", "1.5", 1.5),
    ("json", '"""hi"""', "hi"),
    ("json", '"[""a""]"', ["a"]),
    ("json", "env:LIST", "[1]"),
    ("json", "file:a.json", {"k": "007"}),
    ("timestamp", "null", None),
    ("timestamp", "2026-01-31T09:00:00Z", datetime(2026, 1, 31, 9, tzinfo=UTC)),
    ("timestamp", "2026-01-31 09:00:00.123456+02:00", datetime(2026, 1, 31, 7, 0, 0, 123456, tzinfo=UTC)),
]


@pytest.mark.parametrize(("kind", "written", "expected"), TYPED, ids=[f"{kind} {text}" for kind, text, _ in TYPED])
def test_a_typed_cell_is_what_its_column_says(write: Write, kind: Kind, written: str, expected: object) -> None:
    path = write(f"v\n{written}\n")
    (path.parent / "a.json").write_text('{"k": "env:NAME"}\n')

    assert same(cell(path, kind), expected)


def test_a_time_of_another_zone_becomes_utc(write: Write) -> None:
    assert cell(write("v\n2026-01-31T09:00:00+02:00\n"), "timestamp").tzinfo is UTC


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("text", ""), ("integer", None), ("money", None), ("boolean", None), ("json", None), ("timestamp", None)],
)
@pytest.mark.parametrize("written", ["1,", "1", '1,""', "1,  "])
def test_an_empty_or_missing_cell_is_as_the_column_requires(
    write: Write, written: str, kind: Kind, expected: object
) -> None:
    rows = read_rows(write(f"a,v\n{written}\n"), columns={"a": Column("integer"), "v": Column(kind)})

    assert rows == [Row(2, {"a": 1, "v": expected})]


def test_an_empty_untyped_cell_is_an_empty_text(write: Write) -> None:
    assert load_csv(write("a,b,c\n1,\n")) == [{"a": 1, "b": "", "c": ""}]


# One place of refusal for each kind.

REFUSED: list[tuple[Kind, str, str]] = [
    ("integer", "Infinity", "not an integer"),
    ("integer", "NaN", "not an integer"),
    ("integer", "0x1F", "not an integer"),
    ("integer", "1_000", "not an integer"),
    ("integer", "1 2", "not an integer"),
    ("integer", '"null"', "not an integer"),
    ("integer", "\u0661", "not an integer"),
    ("integer", "7" * 200, "not an integer"),
    ("integer", "1.5", "Remove the fraction"),
    ("integer", "9223372036854775808", "64 bits"),
    ("integer", "12345678901234567890", "64 bits"),
    ("integer", "1e999", "64 bits"),
    ("integer", "1e999999999", "64 bits"),
    ("integer", "1e99999999999999999999", "out of range"),
    ("integer", "1e-99999999999999999999", "out of range"),
    ("integer", "env:NAME", "not an integer"),
    ("money", "Infinity", "not an amount of money"),
    ("money", "-Infinity", "not an amount of money"),
    ("money", "NaN", "not an amount of money"),
    ("money", "$5", "not an amount of money"),
    ("money", '"1,000"', "not an amount of money"),
    ("money", "900000000.01", "between"),
    ("money", "1e999", "between"),
    ("money", "0.00000000001", "at most ten decimals"),
    ("boolean", "True", "Write true or false"),
    ("boolean", "1", "Write true or false"),
    ("json", "{", "not JSON"),
    ("json", '"{not json}"', "not JSON"),
    ("json", '"[1] x"', "not JSON"),
    ("json", "hello", "not JSON"),
    ("json", "NaN", "finite"),
    ("json", "1e999", "finite"),
    ("json", "12345678901234567890123", "64 bits"),
    ("json", "9" * 5000, "too large"),
    ("json", '"[""\\u0000""]"', "NUL"),
    ("json", '"[""\\ud800""]"', "surrogate"),
    ("json", '"' + "[" * 200 + "]" * 200 + '"', "deeper than"),
    ("json", '"' + "[" * 200_000 + '"', "too large"),
    ("timestamp", "2026-01-31T09:00:00", "no time zone"),
    ("timestamp", "2026-01-31", "no time zone"),
    ("timestamp", "yesterday", "not a time"),
    ("timestamp", "0001-01-01T00:00:00+10:00", "inside the years 1 to 9999"),
]


@pytest.mark.parametrize(("kind", "written", "says"), REFUSED, ids=[f"{kind} {text[:30]}" for kind, text, _ in REFUSED])
def test_a_cell_that_its_column_cannot_take_is_refused(write: Write, kind: Kind, written: str, says: str) -> None:
    message = refusal(write(f"v\n{written}\n"), {"v": Column(kind)}, says=says)

    assert len(message) < 500


# Splitting.


@pytest.mark.parametrize("content", ["", "\n\n", "a,b\n", "a,b", "\ufeff", "\n , \na,b\n\n"])
def test_no_text_or_only_a_header_is_no_rows(write: Write, content: str) -> None:
    assert load_csv(write(content)) == []


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CR LF", "lone CR"])
@pytest.mark.parametrize("last", [True, False], ids=["final end", "no final end"])
def test_lines_end_in_three_ways(write: Write, end: str, last: bool) -> None:
    path = write(end.join(["a,b", "1,x", "", "2,y"]) + end * last)

    assert read_rows(path) == [Row(2, {"a": 1, "b": "x"}), Row(4, {"a": 2, "b": "y"})]


def test_line_ends_inside_quotes_are_kept_and_counted(write: Write) -> None:
    rows = read_rows(write('v\r\n"a\r\nb\nc\rd"\r\nnext\r\n'))

    assert rows == [Row(2, {"v": "a\r\nb\nc\rd"}), Row(6, {"v": "next"})]


def test_blank_lines_are_no_rows(write: Write) -> None:
    """Empty, of spaces, of commas, or a lone pair of quotes."""
    assert load_csv(write('\n  \na,b\n\n   \n,\n , \n""\n1,2\n')) == [{"a": 1, "b": 2}]


def test_header_names_lose_the_mark_and_the_spaces(write: Write) -> None:
    path = write(b'\xef\xbb\xbf id , "name" \n1,x\n')

    assert read_rows(path, columns={"id": Column("integer"), "name": Column("text")})[0].values == {
        "id": 1,
        "name": "x",
    }


def test_a_row_is_in_the_order_of_the_header(write: Write) -> None:
    assert list(load_csv(write("b,a\n1,2\n"))[0]) == ["b", "a"]


PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@settings(deadline=None, derandomize=True)
@given(rows=st.lists(st.tuples(PLAIN, PLAIN), max_size=5))
def test_what_is_quoted_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    """Whatever a text column held, quoting it writes it and reading it returns it, references aside."""
    kept = [row for row in rows if any(text.strip() for text in row) and not any(map(is_reference, row))]
    path = tmp_path_factory.getbasetemp() / "quoted.csv"
    lines = ["a,b", *(",".join('"' + text.replace('"', '""') + '"' for text in row) for row in kept)]
    path.write_bytes("\n".join(lines).encode())

    assert [tuple(row.values.values()) for row in read_rows(path, columns=dict.fromkeys("ab", Column("text")))] == kept


def is_reference(text: str) -> bool:
    return text.startswith(("env:", "file:"))


@settings(deadline=None, derandomize=True)
@given(content=st.text(st.characters(codec="utf-8"), max_size=60) | st.text('",\r\n a1{[:', max_size=30))
def test_any_text_is_rows_or_a_seed_error(tmp_path_factory: pytest.TempPathFactory, content: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(content.encode())
    try:
        rows = read_rows(path)
    except SeedError as error:
        assert error.file == str(path)  # noqa: PT017  # rows are as good an outcome, so nothing has to raise
        return

    assert all(1 < row.line <= 61 for row in rows)


# References.


def test_a_secret_column_takes_any_variable(write: Write) -> None:
    columns = {"v": Column("json", holds_secret=True), "w": Column("text", holds_secret=True)}
    path = write('v,w\n"{""token"":""env:NAME""}",env:LIST\n')

    assert read_rows(path, columns=columns, environ=ENVIRON)[0].values == {"v": {"token": "007"}, "w": "[1]"}


def test_the_front_door_knows_secret_and_money_columns_by_name(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key of digits stays a text and a price never becomes a binary float, as when seeding."""
    monkeypatch.setenv("SOME_KEY", "12345")
    path = write("apiKey,cost1kInput\nenv:SOME_KEY,0.10\n678,0.2\n")

    assert load_csv(str(path)) == [
        {"apiKey": "12345", "cost1kInput": Decimal("0.1")},
        {"apiKey": "678", "cost1kInput": Decimal("0.2")},
    ]


def test_the_front_door_takes_variables_on_its_list(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_URL", "https://example.org")
    path = write("endpoint\nenv:SOME_URL\n")

    assert load_csv(path, env_names=["SOME_URL"]) == [{"endpoint": "https://example.org"}]
    refusal(path, line=2, column="endpoint", says="not on the list")


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        (None, "env:NAME"),
        ("text", "env:NAME"),
        ("json", "env:NAME"),
        (None, '"[""env:NAME""]"'),
        ("json", '"{""k"":""env:NAME""}"'),
    ],
)
def test_a_variable_in_a_column_without_secrets_is_refused(write: Write, written: str, kind: Kind | None) -> None:
    message = refusal(
        write(f"v\n{written}\n"), {"v": Column(kind)} if kind else None, says="'env:NAME' is refused: the column holds"
    )

    assert "007" not in message


def test_a_variable_that_is_no_text_is_refused_without_its_value(write: Write) -> None:
    with pytest.raises(SeedError, match="'RAW' is not UTF-8") as caught:
        read_rows(write("v\nenv:RAW\n"), env_names=["RAW"], environ={"RAW": "secret\udcff"})

    assert "secret" not in str(caught.value)


def test_no_value_of_a_secret_column_is_shown(write: Write) -> None:
    columns = {"v": Column("json", holds_secret=True)}

    assert "hunter2" not in refusal(write("v\nhunter2\n"), columns, says="not json")
    assert "98765432109876543210" not in refusal(write("v\n98765432109876543210\n"), columns, says="not json")


def test_another_directory_can_be_the_base(write: Write, tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_bytes(b"\xef\xbb\xbfverbatim\r\n")

    (row,) = read_rows(write("v\nfile:b.txt\n"), columns=TEXT, base=tmp_path)

    assert row.values["v"] == "\ufeffverbatim\r\n"


def test_the_content_of_a_file_is_not_read_again(write: Write) -> None:
    path = write("v\nfile:a.txt\n")
    (path.parent / "a.txt").write_text("env:NAME")

    assert cell(path) == "env:NAME"


def test_a_link_that_stays_inside_is_followed(write: Write) -> None:
    """Mounted configuration directories are made of such links."""
    path = write("v\nfile:a.txt\n")
    (path.parent / "..data").mkdir()
    (path.parent / "..data" / "a.txt").write_text("mounted")
    (path.parent / "a.txt").symlink_to(Path("..data") / "a.txt")

    assert cell(path) == "mounted"


# Files that mean harm.

TRAVERSALS = {
    "file:../outside.txt": "outside the seed directory",
    "file:sub/../../outside.txt": "outside the seed directory",
    "file:../missing.txt": "outside the seed directory",
    "file:..": "outside the seed directory",
    "file:/etc/hostname": "absolute path",
    "file:C:\\Windows\\win.ini": "absolute path",
    "file:\\\\host\\share": "absolute path",
    "file:link.txt": "outside the seed directory",
    "file:sub/deep/outside.txt": "outside the seed directory",
    "file:directory": "not a regular file",
    "file:pipe": "not a regular file",
    "file:circle": "",
    "file:sub": "not a regular file",
    "file:.": "not a regular file",
    "file:": "names no file",
    "file:missing.txt": "does not exist",
    "file:latin1.txt": "not UTF-8 text: byte 0xe9 at offset 3",
    "file:nul.txt": "not UTF-8 text: byte 0x00 at offset 1",
    "file:huge.txt": "at most 16777216",
    "file:" + "x" * 5000: "",
}


@pytest.mark.parametrize("kind", ["text", None])
@pytest.mark.parametrize(("written", "says"), TRAVERSALS.items(), ids=[text[:40] for text in TRAVERSALS])
def test_a_reference_reads_only_text_files_of_the_seed_directory(
    write: Write, tmp_path: Path, written: str, says: str, kind: Kind | None
) -> None:
    path = write(f"v\n{written}\n")
    seeds = path.parent
    (tmp_path / "outside.txt").write_text("a secret")
    (seeds / "sub").mkdir()
    (seeds / "link.txt").symlink_to(tmp_path / "outside.txt")
    (seeds / "sub" / "deep").symlink_to(tmp_path)
    (seeds / "directory").symlink_to(seeds / "sub")
    (seeds / "circle").symlink_to(seeds / "circle")
    os.mkfifo(seeds / "pipe")
    (seeds / "latin1.txt").write_bytes(b"caf\xe9")
    (seeds / "nul.txt").write_bytes(b"a\0b")
    with (seeds / "huge.txt").open("wb") as huge:
        huge.truncate(csv_file.MAX_REFERRED_BYTES + 1)

    message = refusal(path, {"v": Column(kind)} if kind else None, says=says)

    assert "a secret" not in message


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        ('v\nx\n"open\nto the end\n', 3, "never closed"),
        ('v\n"two\nlines" "again', 3, "never closed"),
        ('v\r"a""', 2, "never closed"),
        ("v\n1,2\n", 2, "has 2 cells, the header 1"),
        ("v\n1,\n", 2, "has 2 cells, the header 1"),
        (b"v\nx\ncaf\xe9\n", 3, "byte 0xe9 at offset 7"),
        (b"v\r\nx\rcaf\xe9\n", 3, "byte 0xe9 at offset 8"),
        (b"v\na\0b\n", 2, "byte 0x00 at offset 3"),
        (b"\x7fELF\x02\x01\x01\0\0", 1, "byte 0x00 at offset 7"),
        (b"\x89PNG\r\n\x1a\n", 1, "byte 0x89 at offset 0"),
        ("v\nx\n".encode("utf-16"), 1, "byte 0xff at offset 0"),
    ],
    ids=[
        "unterminated quote",
        "quote opened on a later line",
        "doubled quote at the end",
        "surplus cells",
        "surplus empty cell",
        "invalid UTF-8",
        "invalid UTF-8 after other line ends",
        "NUL",
        "binary",
        "image",
        "UTF-16",
    ],
)
def test_a_file_that_cannot_be_split_names_the_line(write: Write, content: str | bytes, line: int, says: str) -> None:
    refusal(write(content), line=line, column=None, says=says)


def test_a_huge_cell_is_refused(write: Write) -> None:
    """The limit counts bytes, and applies to quoted cells as to bare ones."""
    largest = "ä" * (_csv_cells.MAX_CELL_BYTES // 2)

    assert cell(write(f"v\n{largest}\n"), "text") == largest
    refusal(write(f'v\nx\n"{largest}"b\n'), TEXT, line=3, column=None, says="at most 16777216")


def test_a_huge_file_is_refused_before_it_is_read(write: Write) -> None:
    path = write("v\nx\n")
    os.truncate(path, csv_file.MAX_CSV_BYTES + 1)

    refusal(path, line=None, column=None, says="at most 67108864")


@pytest.mark.parametrize(
    ("header", "column", "says"),
    [
        ("v,colour", "colour", "There is no column 'colour'. Known columns are v, w."),
        ("V", "V", "There is no column 'V'"),
        ("v,w,v", "v", "twice"),
        ("v, v ", "v", "twice"),
        ("v,,w", None, "Column 2 of the header has no name"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(write: Write, header: str, column: str | None, says: str) -> None:
    refusal(write(f"\n{header}\n"), {"v": Column("text"), "w": Column("text")}, line=2, column=column, says=says)


def test_a_duplicate_header_is_refused_without_columns_too(write: Write) -> None:
    refusal(write("v,v\n1,2\n"), line=1, says="twice")


def test_an_error_names_the_line_where_its_row_begins(write: Write) -> None:
    columns = {"note": Column("text"), "v": Column("integer")}

    refusal(write('note,v\n"two\nlines",1\n"more\nlines",x\n'), columns, line=4, says="'x' is not an integer")


@pytest.mark.parametrize(
    ("name", "says"),
    [("missing.csv", "does not exist"), ("seeds", "not a regular file"), ("x" * 5000, "cannot be read")],
)
def test_a_csv_that_is_no_readable_file_is_refused(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "seeds").mkdir()

    refusal(tmp_path / name, line=None, column=None, says=says)


def test_nothing_is_logged_for_good_files(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="agentdb.seed"):
        load_csv(write('a,b\n"[1]",null\n'))

    assert not caplog.records
