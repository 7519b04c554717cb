"""The ancestor of all tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from tortoise.fields.base import Field
from tortoise.fields.relational import ForeignKeyFieldInstance
from tortoise.models import MetaInfo, Model, ModelMeta

from agentdb.engine.orm import adopt
from agentdb.models.fields import Given, JsonField, MoneyField, NumberField, Timestamp, timestamp
from agentdb.models.names import column_name


class RecordMeta(ModelMeta):
    """Names the table after its class unless it says otherwise, and columns and indexes by the rule."""

    def __new__(mcs, name: str, bases: tuple[type, ...], attributes: dict[str, Any]) -> RecordMeta:
        for attribute, field in attributes.items():
            if isinstance(field, ForeignKeyFieldInstance):
                field.source_field = column_name(f"{attribute}_id", is_reference=True)
            elif isinstance(field, Field) and not field.pk:
                field.source_field = column_name(attribute, is_reference=isinstance(field, NumberField))
        # Comments are for people, not for the database. Tortoise would read the source of every model for those that
        # begin with `#:`, 30 ms in all; it asks each class by itself and not its ancestors.
        made: Any = super().__new__(mcs, name, bases, attributes | {"_no_comments": True})
        meta = made._meta
        if not meta.abstract:
            meta.db_table = meta.db_table or name
            for index in meta.indexes:
                index.name_it(meta.db_table, [_column_of(meta, attribute) for attribute in index.fields])
            adopt(made)
        return cast(RecordMeta, made)


def _column_of(meta: MetaInfo, attribute: str) -> str:
    # Tortoise adds the `_id` attribute of a relation only when it connects the models.
    field = meta.fields_map.get(attribute) or meta.fields_map[attribute.removesuffix("_id")]
    return field.source_field or attribute


class Record(Model, metaclass=RecordMeta):
    """A row with an id that the database makes, and the times of its making and last change.

    `save()` moves `updated_at`; `QuerySet.update()` does not, so name it there.
    """

    id = NumberField(primary_key=True)
    created_at: Timestamp = timestamp()
    updated_at: Timestamp = timestamp(auto_now=True)

    class Meta:
        abstract = True

    def _set_kwargs(self, kwargs: dict[str, Any]) -> set[str]:
        return super()._set_kwargs({name: self._as_given(name, value) for name, value in kwargs.items()})

    @classmethod
    def _as_given(cls, name: str, value: Any) -> Any:
        is_ambiguous = isinstance(cls._meta.fields_map.get(name), (MoneyField, JsonField))
        return Given(value) if is_ambiguous and value is not None else value

    def to_dict(self) -> Mapping[str, Any]:
        """Attribute names with their values, relations left out."""
        return {name: getattr(self, name) for name in self._meta.fields_db_projection}
