"""Settings, read once from the environment when they are loaded; nothing is read at import.

The environment is one mapping: the variables of the process laid over those of a `.env` file in the current directory.
A variable that is empty or blank counts as not set. Where a setting has several names, the first one that is set wins,
wherever it stands; an argument to `Settings.load` goes before all of them. Variables that are no setting of ours are
ignored, misspelt ones too: container platforms put names of their own making beside ours.

`Secret` stands here, one floor below `agentdb.secrets` that offers it to everybody, because settings hold secrets too.
"""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NoReturn, Self, TypeAlias, cast, get_args

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, GetCoreSchemaHandler, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, ErrorDetails, core_schema
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from agentdb.errors import ConfigurationError

SecretsMode: TypeAlias = Literal["sealed", "plain"]
SslMode: TypeAlias = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]


class Secret:
    """A text that is never shown, not by repr, str, format, JSON or pickle; only `reveal` gives it.

    Two are equal when their texts are, compared in constant time. A pydantic model makes one from a str and writes
    `"***"` in JSON, while `model_dump()` keeps the Secret itself.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text. Every place where a secret leaves its wrapping is found by this name."""
        return self._text

    def __repr__(self) -> str:
        return "Secret('***')"

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_as_bytes(self._text), _as_bytes(other._text))

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("A Secret is not pickled, so that it never travels by accident. Send reveal() if it must.")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        # Blanks at the ends belong to a password, whatever the model says about its texts.
        from_text = core_schema.no_info_after_validator_function(cls, core_schema.str_schema(strip_whitespace=False))
        return core_schema.json_or_python_schema(
            json_schema=from_text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), from_text]),
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda _: "***", return_schema=core_schema.str_schema(), when_used="json"
            ),
        )


def _as_bytes(text: str) -> bytes:
    # Python shows bytes of the environment that are no UTF-8 as lone surrogates.
    return text.encode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class _Accepted:
    """What a setting may be, in the words of its error message; `is_hidden` keeps what was found out of it."""

    what: str
    is_hidden: bool = False


_FLAGS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False, "on": True, "off": False}


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    flag = _FLAGS.get(str(value).strip().lower())
    if flag is None:
        raise ValueError("neither yes nor no")
    return flag


def _words(value: object) -> object:
    return re.sub(r"[\s_-]+", " ", value.strip().lower()) if isinstance(value, str) else value


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _comma_list(value: object) -> object:
    return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value


def _at_home(path: Path) -> Path:
    # No shell expands the `~` of a `.env` file. Path.expanduser would raise for a user that does not exist.
    return Path(os.path.expanduser(path))


_FLAG_WORDS = _Accepted(f"{', '.join(_FLAGS)}, in any case")
_Flag: TypeAlias = Annotated[bool, BeforeValidator(_flag), _FLAG_WORDS]
_HiddenText: TypeAlias = Annotated[Secret | None, _Accepted("a text", is_hidden=True)]
HomePath: TypeAlias = Annotated[Path, AfterValidator(_at_home)]
"""A path in which `~` is the home directory, as a shell would have it."""
_OptionalPath: TypeAlias = Annotated[HomePath | None, _Accepted("a path")]
_Seconds: TypeAlias = Annotated[
    float, Field(gt=0, allow_inf_nan=False), _Accepted("a finite number of seconds greater than 0")
]


def _variable(*names: str, default: Any, meaning: str) -> Any:
    return Field(default=default, validation_alias=AliasChoices(*names), description=meaning)


class Settings(BaseSettings):
    """Every setting with its variable, default and meaning. Use `Settings.load`, whose errors name the variable."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        case_sensitive=True,
        env_ignore_empty=True,
        env_file_encoding="utf-8-sig",
        str_strip_whitespace=True,
        # Pydantic would print the whole input of a problem, secrets included.
        hide_input_in_errors=True,
    )

    url: _HiddenText = _variable(
        "AGENTDB_URL",
        default=None,
        meaning="URL of the database. Without it, `DB_STORAGE` decides, then `PGHOST`, then a SQLite file in the data "
        "directory is used.",
    )
    storage: _OptionalPath = _variable(
        "DB_STORAGE", default=None, meaning="Directory of an embedded PostgreSQL; used when there is no URL."
    )
    pghost: str | None = _variable(
        "PGHOST",
        default=None,
        meaning="PostgreSQL server, or several with commas; used when there is neither a URL nor `DB_STORAGE`.",
    )
    pgport: Annotated[int, Field(ge=1, le=65535), _Accepted("a port number from 1 to 65535")] = _variable(
        "PGPORT", default=5432, meaning="Port of the server in `PGHOST`."
    )
    pgdatabase: str = _variable("PGDATABASE", default="postgres", meaning="Database on the server in `PGHOST`.")
    pguser: str | None = _variable("PGUSER", default=None, meaning="User on the server in `PGHOST`.")
    pgpassword: _HiddenText = _variable(
        "PGPASSWORD", default=None, meaning="Password of `PGUSER`. A secret, never printed."
    )
    pgsslmode: Annotated[SslMode | None, BeforeValidator(_lower), _Accepted(", ".join(get_args(SslMode)))] = _variable(
        "PGSSLMODE",
        default=None,
        meaning="TLS to PostgreSQL where the URL names no `sslmode`. When neither does: `verify-full`, and `allow` for "
        "a server on this machine.",
    )
    pgsslrootcert: _OptionalPath = _variable(
        "PGSSLROOTCERT",
        default=None,
        meaning="File of the authorities that a server's certificate may be by; those of the system when not set.",
    )
    pgsslcert: _OptionalPath = _variable(
        "PGSSLCERT", default=None, meaning="File of our own certificate, for a server that asks for one."
    )
    pgsslkey: _OptionalPath = _variable(
        "PGSSLKEY", default=None, meaning="File of the key of `PGSSLCERT`, without a password."
    )
    home: _OptionalPath = _variable(
        "AGENTDB_HOME", default=None, meaning="Data directory, in place of the one that `AGENTDB_MODE` chooses."
    )
    mode: Annotated[Literal["user", "system"], BeforeValidator(_words), _Accepted("user or system")] = _variable(
        "AGENTDB_MODE",
        default="user",
        meaning="Data directory of the user (`user`) or of the machine, `/var/lib/agentdb` (`system`).",
    )
    skip_sync: _Flag = _variable(
        "AGENTDB_SKIP_SYNC",
        "DB_SKIP_SYNC",
        default=False,
        meaning="Attach only: no migration, no seeds. `AGENTDB_<SERVICE>_SKIP_SYNC` goes before it for one service.",
    )
    skip_audit: _Flag = _variable(
        "AGENTDB_SKIP_AUDIT",
        "DB_SKIP_AUDIT",
        default=False,
        meaning="Leave out the audit of relations after migrating and seeding.",
    )
    wait_s: Annotated[
        float, Field(ge=0, allow_inf_nan=False), _Accepted("a finite number of seconds, 0 or greater")
    ] = _variable(
        "AGENTDB_WAIT_S",
        default=0.0,
        meaning="How long attaching waits until the owner has migrated and seeded, in seconds.",
    )
    secret_key: _HiddenText = _variable(
        "AGENTDB_SECRET_KEY",
        default=None,
        meaning="Key of API-key digests and sealed columns, at least 16 characters. A secret, never printed.",
    )
    secret_key_file: _OptionalPath = _variable(
        "AGENTDB_SECRET_KEY_FILE", default=None, meaning="File that holds the key, in place of `AGENTDB_SECRET_KEY`."
    )
    secret_key_previous: _HiddenText = _variable(
        "AGENTDB_SECRET_KEY_PREVIOUS",
        default=None,
        meaning="Another key that is accepted while `agentdb rotate-key` puts `AGENTDB_SECRET_KEY` in its place. "
        "A secret, never printed.",
    )
    secret_key_previous_files: Annotated[
        tuple[Annotated[Path, AfterValidator(_at_home)], ...],
        BeforeValidator(_comma_list),
        _Accepted("paths separated by commas"),
    ] = _variable(
        "AGENTDB_SECRET_KEY_PREVIOUS_FILE",
        default=(),
        meaning="Files that hold such keys, one in each, with commas.",
    )
    # A key typed into this variable instead of AGENTDB_SECRET_KEY must not be printed.
    secrets: Annotated[SecretsMode, BeforeValidator(_words), _Accepted("sealed or plain", is_hidden=True)] = _variable(
        "AGENTDB_SECRETS",
        default="sealed",
        meaning="Whether API keys and credentials are stored protected (`sealed`) or as they are (`plain`).",
    )
    test_api_key: _HiddenText = _variable(
        "TEST_API_KEY", default=None, meaning="API key of an administrator for tests, made when seeding. A secret."
    )
    seed_directory: _OptionalPath = _variable(
        "AGENTDB_SEED_DIR", default=None, meaning="Directory of your own seed files, in place of the packaged ones."
    )
    seed_env_names: Annotated[tuple[str, ...], BeforeValidator(_comma_list), _Accepted("names separated by commas")] = (
        _variable(
            "AGENTDB_SEED_ENV",
            default=(),
            meaning="Variables that `env:` in a seed file may also read in columns that hold no secret, with commas.",
        )
    )
    ownership_file: _OptionalPath = _variable(
        "AGENTDB_OWNERSHIP",
        default=None,
        meaning="File that says which service writes and reads what, in place of the packaged matrix.",
    )
    default_model: str = _variable(
        "AGENTDB_DEFAULT_MODEL",
        default="us.anthropic.claude-sonnet-4-6",
        meaning="Internal name of the model of agents that name none.",
    )
    default_budget_usd: Annotated[
        Decimal,
        Field(ge=0, le=900_000_000, decimal_places=10, allow_inf_nan=False),
        _Accepted("US dollars from 0 to 900000000 with at most ten decimals"),
    ] = _variable(
        "AGENTDB_DEFAULT_BUDGET", default=Decimal(5), meaning="Budget of a user made at login, in US dollars."
    )
    durability: Annotated[Literal["full", "fast"], BeforeValidator(_words), _Accepted("full or fast")] = _variable(
        "AGENTDB_DURABILITY",
        default="full",
        meaning="On SQLite: a commit survives a power cut (`full`) or only a crash of the process (`fast`).",
    )
    pooler: Annotated[Literal["none", "transaction"], BeforeValidator(_words), _Accepted("none or transaction")] = (
        _variable(
            "AGENTDB_POOLER",
            default="none",
            meaning="`transaction` when a pooler such as PgBouncer stands before PostgreSQL in that mode.",
        )
    )
    isolation: Annotated[
        Literal["read committed", "repeatable read", "serializable"],
        BeforeValidator(_words),
        _Accepted("read committed, repeatable read or serializable"),
    ] = _variable(
        "AGENTDB_ISOLATION", default="read committed", meaning="Isolation level of transactions on PostgreSQL."
    )
    pool_size: Annotated[int, Field(ge=1), _Accepted("a whole number, 1 or greater")] = _variable(
        "AGENTDB_POOL_SIZE", default=10, meaning="Greatest number of connections that one handle holds."
    )
    connect_timeout_s: _Seconds = _variable(
        "AGENTDB_CONNECT_TIMEOUT_S", default=10.0, meaning="Limit for opening a connection, in seconds."
    )
    acquire_timeout_s: _Seconds = _variable(
        "AGENTDB_ACQUIRE_TIMEOUT_S", default=5.0, meaning="Limit for getting a connection of the pool, in seconds."
    )
    statement_timeout_s: _Seconds = _variable(
        "AGENTDB_STATEMENT_TIMEOUT_S", default=30.0, meaning="Limit for one statement, in seconds."
    )
    transaction_timeout_s: _Seconds = _variable(
        "AGENTDB_TRANSACTION_TIMEOUT_S", default=5.0, meaning="Limit for one `db.transaction()`, in seconds."
    )
    call_timeout_s: _Seconds = _variable(
        "AGENTDB_CALL_TIMEOUT_S",
        default=30.0,
        meaning="Limit for one call of a service or `db.run()` that is given no `timeout`, in seconds.",
    )

    telemetry: Annotated[Literal["auto", "on", "off"], BeforeValidator(_words), _Accepted("auto, on or off")] = (
        _variable(
            "AGENTDB_TELEMETRY",
            default="auto",
            meaning="Spans and metrics by OpenTelemetry: `auto` when the program has set it up before it connects.",
        )
    )
    slow_call_s: Annotated[
        float | None, Field(ge=0, allow_inf_nan=False), _Accepted("a finite number of seconds, 0 or greater")
    ] = _variable(
        "AGENTDB_SLOW_CALL_S", default=None, meaning="Public calls that take longer are logged as warnings, in seconds."
    )

    variables: Mapping[str, Secret] = Field(default_factory=dict, repr=False, exclude=True)
    """The whole environment as it was when these settings were loaded, `.env` included; not a setting itself."""

    @classmethod
    def load(cls, *, env_file: Path | str | None = ".env", **overrides: Any) -> Self:
        """The settings of this process.

        Args:
            env_file: None reads no file; one that does not exist is as good as an empty one.
            overrides: Settings by attribute name, in place of what the environment says; None counts as not given.

        Raises:
            ConfigurationError: One line for each problem, with the variable (or argument), what was found unless that
                is a secret, and what is accepted.
        """
        given = {name: value for name, value in overrides.items() if value is not None}
        try:
            return cls(**{"_env_file": env_file} | {_preferred_name(name): value for name, value in given.items()})
        except ValidationError as error:
            # Pydantic reports each type that a setting may have had.
            problems = dict.fromkeys(_problem(details, given) for details in error.errors(include_url=False))
            raise ConfigurationError("\n".join(problems)) from error
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"The settings file {str(env_file)!r} cannot be read: {error}. It has to be readable UTF-8 text."
            ) from error

    def skip_sync_for(self, service: str | None) -> bool:
        """Whether that service only attaches.

        `AGENTDB_<SERVICE>_SKIP_SYNC` decides (`agent-gateway` asks `AGENTDB_AGENT_GATEWAY_SKIP_SYNC`), and `skip_sync`
        where it is not set or there is no name.

        Raises:
            ConfigurationError: The service's own variable is set and cannot be read.
        """
        name = f"AGENTDB_{re.sub(r'[^A-Z0-9]', '_', service.upper())}_SKIP_SYNC" if service else ""
        if name not in self.variables:
            return self.skip_sync
        found = self.variables[name].reveal()
        try:
            return _flag(found)
        except ValueError as error:
            raise ConfigurationError(_found(name, found, _FLAG_WORDS)) from error

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Lays the process over the file before names are chosen; as two sources, the file's first name would lose."""
        layers = [cast(EnvSettingsSource, source).env_vars for source in (dotenv_settings, env_settings)]
        merged = {name: value for layer in layers for name, value in layer.items() if value and value.strip()}
        return init_settings, _Environment(settings_cls, merged)


class _Environment(PydanticBaseSettingsSource):
    """Hands pydantic the variables that are settings under their own names, and all of them as `variables`."""

    def __init__(self, settings_cls: type[BaseSettings], variables: Mapping[str, str]) -> None:
        super().__init__(settings_cls)
        self._variables = variables

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        name = next((name for name in _names(field) if name in self._variables), None)
        return (self._variables[name], name, False) if name else (None, field_name, False)

    def __call__(self) -> dict[str, Any]:
        found = (self.get_field_value(field, name) for name, field in self.settings_cls.model_fields.items())
        return {name: value for value, name, _ in found if value is not None} | {"variables": self._variables}


class SettingRow(NamedTuple):
    """One row of the table of settings: the variables in the order in which they win, the default, the meaning."""

    variable: str
    default: str
    meaning: str


def describe_settings() -> list[SettingRow]:
    """The table of settings, as the README shows it and the CLI prints it."""
    return [
        SettingRow(", ".join(_names(field)), _default(field), field.description or "")
        for field in Settings.model_fields.values()
        if _names(field)
    ]


def _names(field: FieldInfo) -> list[str]:
    alias = field.validation_alias
    return [str(name) for name in alias.choices] if isinstance(alias, AliasChoices) else []


def _default(field: FieldInfo) -> str:
    match field.default:
        case None | ():
            return "not set"
        case bool() as flag:
            return str(flag).lower()
        case float() as seconds:
            return f"{seconds:g}"
        case value:
            return str(value)


def _preferred_name(attribute: str) -> str:
    # Under its first variable an argument goes before every name that the environment may hold.
    field = Settings.model_fields.get(attribute)
    return next(iter(_names(field)), attribute) if field else attribute


def _problem(details: ErrorDetails, given: Mapping[str, Any]) -> str:
    name = str(details["loc"][0])
    attribute = next((key for key, field in Settings.model_fields.items() if name in (key, *_names(field))), None)
    if attribute is None:
        return f"There is no setting {name!r}; accepted: {', '.join(sorted(Settings.model_fields))}."
    accepted = next(
        (part for part in Settings.model_fields[attribute].metadata if isinstance(part, _Accepted)), _Accepted("a text")
    )
    return _found(f"The argument {attribute}" if attribute in given else name, details["input"], accepted)


def _found(name: str, value: object, accepted: _Accepted) -> str:
    found = "set to a text that is not accepted" if accepted.is_hidden else repr(value)
    return f"{name} is {found}; accepted: {accepted.what}."
