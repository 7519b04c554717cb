"""aerich's comparison of models, with the SQL that our schema needs.

aerich derives statements for one engine from two states of the models. Here it names foreign keys by our rule, keeps
defaults and unique indexes, leaves comments out, and marks what it cannot write instead of giving up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from aerich.migrate import Migrate
from tortoise.backends.base.schema_generator import BaseSchemaGenerator
from tortoise.indexes import Index
from tortoise.models import Model

from agentdb.engine import Dialect
from agentdb.engine.dialect import APP
from agentdb.engine.orm import TortoiseClient
from agentdb.lifecycle.packaged import TODO
from agentdb.models.names import column_name

State = dict[str, dict[str, Any]]
"""Models by name, as aerich describes them."""

if TYPE_CHECKING:
    _SchemaGenerator = BaseSchemaGenerator
else:
    _SchemaGenerator = object


class Generator(Migrate):
    """Statements for one engine. Each comparison needs a class of its own, which `generator` makes."""

    alters_columns: bool

    @classmethod
    async def _generate_diff_py(cls, name: Any, no_input: bool = False, offline: bool = False) -> str:
        return str(name)  # the statements of all engines become one file, elsewhere

    @classmethod
    def _add_operator(cls, operator: str, upgrade: bool = True, fk_m2m_index: bool = False) -> None:
        if operator:
            super()._add_operator(operator, upgrade, fk_m2m_index)

    @classmethod
    def _handle_add_models(
        cls, upgrade: bool, new_models: Any, new_table_items: Any, other_table_items: Any = None
    ) -> None:
        # aerich takes a table that points at itself for a circle.
        items = [(name, _without_references_to(name, described), model) for name, described, model in new_table_items]
        super()._handle_add_models(upgrade, new_models, items, other_table_items)

    @classmethod
    def add_model(cls, model: type[Model]) -> str:
        sql: str = cls.ddl.schema_generator._get_table_sql(model, safe=False)["table_creation_string"]
        return sql

    @classmethod
    def _add_field(cls, model: type[Model], field_describe: dict[str, Any], is_pk: bool = False) -> str:
        field = model._meta.fields_map.get(field_describe["name"])
        if field is None:  # a downgrade brings back what the model no longer has
            return super()._add_field(model, field_describe, is_pk)
        table, column = model._meta.db_table, field_describe["db_column"]
        generator = cls.ddl.schema_generator
        default = generator._get_field_default(field, table, column, model)
        if not cls.alters_columns and ("(" in default or not (field.null or default)):
            return f'{TODO}: rebuild the table to add "{table}"."{column}", which has no constant to begin with'
        definition, _ = generator._get_field_sql_and_related_table(field, table, column, default, comment="")
        return f'ALTER TABLE "{table}" ADD COLUMN {definition}'

    @classmethod
    def _add_fk(cls, model: type[Model], field_describe: dict[str, Any], reference_table_describe: Any) -> str:
        described = _with_column(field_describe)
        if field_describe["name"] in model._meta.fields_map and not cls._had_column(model, described["raw_field"]):
            return ""  # the new column brings it along
        return cls._altering(
            lambda: super(Generator, cls)._add_fk(model, described, reference_table_describe),
            f'add the foreign key of "{model._meta.db_table}"."{described["raw_field"]}"',
        )

    @classmethod
    def _drop_fk(cls, model: type[Model], field_describe: dict[str, Any], reference_table_describe: Any) -> str:
        described = _with_column(field_describe)
        column = described["raw_field"]
        if not (cls._had_column(model, column) and column in model._meta.fields_db_projection.values()):
            return ""  # it goes with its column
        return cls._altering(
            lambda: super(Generator, cls)._drop_fk(model, described, reference_table_describe),
            f'drop the foreign key of "{model._meta.db_table}"."{column}"',
        )

    @classmethod
    def _add_index(cls, model: type[Model], fields_name: Any, unique: bool = False) -> str:
        if not isinstance(fields_name, Index):
            return super()._add_index(model, fields_name, unique)
        kind = "UNIQUE INDEX" if fields_name.INDEX_TYPE == "UNIQUE" else "INDEX"
        columns = ", ".join(f'"{column}"' for column in fields_name.fields)
        return f'CREATE {kind} "{fields_name.name}" ON "{model._meta.db_table}" ({columns})'

    @classmethod
    def _modify_field(cls, model: type[Model], field_describe: dict[str, Any]) -> str:
        return cls._altering(
            lambda: super(Generator, cls)._modify_field(model, field_describe),
            f'change "{model._meta.db_table}"."{field_describe["db_column"]}"',
        )

    @classmethod
    def _alter_null(cls, model: type[Model], field_describe: dict[str, Any]) -> str:
        return cls._altering(
            lambda: super(Generator, cls)._alter_null(model, field_describe),
            f'change "{model._meta.db_table}"."{field_describe["db_column"]}"',
        )

    @classmethod
    def _alter_default(cls, model: type[Model], field_describe: dict[str, Any]) -> str:
        return ""  # a default in Python; those of the database are compared as db_default

    @classmethod
    def _set_comment(cls, model: type[Model], field_describe: dict[str, Any]) -> str:
        return ""

    @classmethod
    def _altering(cls, statement: Callable[[], str], what: str) -> str:
        return statement() if cls.alters_columns else f"{TODO}: rebuild the table to {what}"

    @classmethod
    def _had_column(cls, model: type[Model], column: str) -> bool:
        before = cast(State, cls._last_version_content).get(model._meta.full_name, {"data_fields": []})
        return any(field["db_column"] == column for field in before["data_fields"])


async def generator(dialect: Dialect, client: TortoiseClient, last: State) -> type[Generator]:
    """A comparison of its own: aerich collects statements on the class."""
    made = cast(
        type[Generator],
        type(
            "Generator",
            (Generator,),
            {
                "app": APP,
                "dialect": dialect.name,
                "alters_columns": dialect.alters_columns,
                "_last_version_content": last,
                "upgrade_operators": [],
                "downgrade_operators": [],
                "_upgrade_fk_m2m_index_operators": [],
                "_downgrade_fk_m2m_index_operators": [],
                "_upgrade_m2m": [],
                "_downgrade_m2m": [],
                "_rename_fields": {},
                "_rename_models": {},
            },
        ),
    )
    made.ddl_class = await made.load_ddl_class()
    made.ddl = made.ddl_class(client)
    plain = type("PlainSchemaGenerator", (_Plain, made.ddl_class.schema_generator_cls), {})
    made.ddl.schema_generator = plain(client)
    return made


class _Plain(_SchemaGenerator):
    """Mixed into an engine's schema generator: foreign keys have our names, and nothing has a comment."""

    def _get_fk_name(self, from_table: str, from_field: str, to_table: str, to_field: str) -> str:
        return f"{from_table}_{from_field}_fkey"

    def _create_fk_string(
        self, constraint_name: str, db_column: str, table: str, field: str, on_delete: str, comment: str
    ) -> str:
        reference = super()._create_fk_string(constraint_name, db_column, table, field, on_delete, comment)
        return f' CONSTRAINT "{constraint_name}"{reference}'

    def _table_comment_generator(self, table: str, comment: str) -> str:
        return ""

    def _column_comment_generator(self, table: str, column: str, comment: str) -> str:
        return ""


def _without_references_to(name: str, described: dict[str, Any]) -> dict[str, Any]:
    return described | {"fk_fields": [one for one in described["fk_fields"] if one["python_type"] != name]}


def _with_column(described: dict[str, Any]) -> dict[str, Any]:
    """aerich takes the attribute of a relation for its column."""
    return described | {"raw_field": column_name(described["raw_field"], is_reference=True)}
