"""How rows become records: without validation, which takes longer than reading them.

A row is as the schema says, so its values only have to be decoded, by the functions that validation too would call
first. What comes out is the record that validation would give. For the columns of each statement a function is written,
as `dataclasses` does for fields, because a loop over fields takes twice as long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from typing import Annotated, Any, Final, TypeAlias, TypeVar, cast, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, PlainValidator
from pydantic.fields import FieldInfo

from agentdb.models.names import column_name

RecordT = TypeVar("RecordT", bound=BaseModel)

Reader: TypeAlias = Callable[[Iterable[Iterable[Any]]], list[RecordT]]
"""Makes records of the values of rows."""

_Decode: TypeAlias = Callable[[Any], Any]

_new: Final = object.__new__
# `object.__setattr__` takes twice as long.
_set_values, _set_names, _set_extra, _set_private = (
    vars(BaseModel)[name].__set__
    for name in ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
)


def trusted(cls: type[RecordT], values: dict[str, Any], names: set[str]) -> RecordT:
    """A record of values for all its fields, in their order, which are already what the fields say.

    Args:
        names: The fields that count as set. Records may share it.
    """
    record = _new(cls)
    _set_values(record, values)
    # What pydantic's own model_construct sets, which takes longer than validation.
    _set_names(record, names)
    _set_extra(record, None)
    _set_private(record, None)
    return record


def column_of(field: str) -> str:
    """The column of a record's field, unless the field names another one."""
    return column_name(field, is_reference=field.endswith("_id") and field != "request_id")


@lru_cache(maxsize=1024)
def reader_of(cls: type[RecordT], columns: tuple[str, ...]) -> Reader[RecordT]:
    """What makes records of rows with these columns; of two with one name the last one counts.

    Columns such as `prompt.name` belong to a part: a record inside, which is not there if its id is null, or whatever
    the field's validator makes of a mapping. A field without a column has its default; a column without a field is left
    out.

    Raises:
        TypeError: A field has neither a column nor a default.
    """
    values = [f"v{position}" for position in range(len(columns))]
    writer = _Writer()
    record = writer.record(cls, dict(zip(columns, values, strict=True)))
    # It holds names of fields and numbers; whatever else there is has a number in the scope.
    return cast("Reader[RecordT]", eval(f"lambda rows: [{record} for {', '.join(values)}, in rows]", writer.scope))  # noqa: S307 - see above


class _Writer:
    """Expressions, and what they name."""

    def __init__(self) -> None:
        self.scope: dict[str, Any] = {"trusted": trusted}

    def record(self, cls: type[BaseModel], columns: Mapping[str, str]) -> str:
        """A record of the expressions for its columns."""
        found = {
            name: self._value(field, field.alias or column_of(name), columns)
            for name, field in cls.model_fields.items()
        }
        names = {name for name, value in found.items() if value is not None}
        values = (f"{name!r}: {value or self._default(cls, name)}" for name, value in found.items())
        return f"trusted({self._named(cls)}, {{{', '.join(values)}}}, {self._named(names)})"

    def _value(self, field: FieldInfo, column: str, columns: Mapping[str, str]) -> str | None:
        decode = _decoder(field)
        if column in columns:
            return columns[column] if decode is None else f"{self._named(decode)}({columns[column]})"
        prefix = f"{column}."
        part = {name.removeprefix(prefix): value for name, value in columns.items() if name.startswith(prefix)}
        if not part:
            return None
        if decode is None:
            return f"None if {part['id']} is None else {self.record(_record_class(field), part)}"
        return f"{self._named(decode)}({{{', '.join(f'{name!r}: {value}' for name, value in part.items())}}})"

    def _default(self, cls: type[BaseModel], name: str) -> str:
        field = cls.model_fields[name]
        if field.is_required():
            raise TypeError(f"{cls.__name__}.{name} has no default, and these rows have no column for it.")
        return f"{self._named(partial(field.get_default, call_default_factory=True))}()"

    def _named(self, value: Any) -> str:
        name = f"x{len(self.scope)}"
        self.scope[name] = value
        return name


def _decoder(field: FieldInfo) -> _Decode | None:
    """The function that validation calls before anything else, or in place of it."""
    notes = [note for one in get_args(field.annotation) if get_origin(one) is Annotated for note in one.__metadata__]
    found = (note for note in (*field.metadata, *notes) if isinstance(note, (BeforeValidator, PlainValidator)))
    return next((cast(_Decode, note.func) for note in found), None)


def _record_class(field: FieldInfo) -> type[BaseModel]:
    kinds = (field.annotation, *get_args(field.annotation))
    return next(one for one in kinds if isinstance(one, type) and issubclass(one, BaseModel))
