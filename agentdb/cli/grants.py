"""`agentdb grants`: the SQL of the services' PostgreSQL roles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from agentdb.cli.commands import AsJson
from agentdb.cli.output import answer
from agentdb.config import Settings


def grants(
    *,
    service: Annotated[str | None, Parameter(help="Only this one's role.")] = None,
    ownership: Annotated[
        Path | None,
        Parameter(
            help="TOML or JSON file with your own matrix. Without it AGENTDB_OWNERSHIP or the packaged one counts."
        ),
    ] = None,
    prefix: Annotated[str, Parameter(help="What the names of roles begin with.")] = "agentdb_",
    schema: Annotated[str, Parameter(help="Where the tables are.")] = "public",
    as_json: AsJson = False,
) -> None:
    """Print the SQL that gives each service its own PostgreSQL role, with the least rights that it needs."""
    # The models, whose columns a matrix names, take 100 ms.
    from agentdb.operations.grants import grants_sql, role_of
    from agentdb.operations.ownership import read_ownership

    matrix = read_ownership(ownership or Settings.load().ownership_file)
    services = [service] if service is not None else list(matrix.services)
    sql = grants_sql(matrix, services=services, prefix=prefix, schema=schema)
    roles = {
        name: {
            "role": role_of(name, prefix),
            "writes": matrix.services[name].writes,
            "updates": matrix.services[name].updates,
            "reads": matrix.services[name].reads,
        }
        for name in services
    }
    answer({"services": roles, "sql": sql}, sql, as_json=as_json)
