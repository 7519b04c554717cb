"""The entry point: which commands there are, and how each way of ending becomes an exit code."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version

from cyclopts import App, CycloptsError

from agentdb.cli import backups, commands, keys, person
from agentdb.cli.adopt import adopt
from agentdb.cli.asking import UsageError
from agentdb.cli.doctor import doctor
from agentdb.cli.grants import grants
from agentdb.cli.maintain import maintain
from agentdb.cli.output import complain
from agentdb.cli.paths import paths
from agentdb.cli.schema import schema
from agentdb.cli.shell import shell
from agentdb.cli.transfer import transfer
from agentdb.cli.usage import usage
from agentdb.errors import AgentDBError

DONE, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130

app = App(
    name="agentdb",
    help="The database of an agent platform: create it, look at it, keep it in order.",
    version=version("agentdb"),
    help_format="plaintext",
    help_formatter="default" if sys.stdout is not None and sys.stdout.isatty() else "plain",
    suppress_keyboard_interrupt=False,
)
for command in (
    commands.demo,
    commands.init,
    commands.status,
    paths,
    commands.migrate,
    commands.downgrade,
    commands.history,
    commands.seed,
    commands.check,
    doctor,
    maintain,
    keys.rotate_key,
    grants,
    backups.backup,
    backups.verify,
    backups.restore,
    transfer,
    adopt,
    person.export_user,
    person.erase_user,
    usage,
    schema,
    shell,
):
    app.command(command)


def main() -> None:
    """Run the command that the process was started with, and exit."""
    # Ctrl-C during a login leaves a future of the driver behind, which asyncio would report as an error.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command; its exit code."""
    try:
        # An async command gets an event loop of its own.
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
    except (CycloptsError, UsageError) as error:
        complain(f"{error}\nSee `agentdb --help`.")
        return MISUSED
    except AgentDBError as error:
        complain("\n".join([str(error), *getattr(error, "__notes__", ())]))
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough. Python flushes once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        return _unexpected(error)
    return code if isinstance(code, int) else DONE


def _unexpected(error: Exception) -> int:
    if os.environ.get("AGENTDB_DEBUG"):
        complain(traceback.format_exc())
    complain(
        f"{type(error).__name__}: {error}\n"
        "This is a defect of agentdb. Please report it, with what AGENTDB_DEBUG=1 shows in addition."
    )
    return FAILED
