"""`agentdb shell`: a Python prompt with a database in it.

Each input runs in an event loop, which stands still while somebody types. So Ctrl-C is Python's own: at the prompt it
drops the line, and during an `await` it cancels what is awaited, as a caller's cancellation would.
"""

from __future__ import annotations

import ast
import asyncio
import code
import inspect
import sys
import traceback
from types import CodeType
from typing import Annotated, Any

from cyclopts import Parameter

from agentdb.cli.commands import Url
from agentdb.cli.output import complain
from agentdb.database import Database, look
from agentdb.errors import AgentDBError
from agentdb.telemetry import redact


def shell(
    *,
    command: Annotated[str | None, Parameter(name=["--command", "-c"], help="Run this code, and end.")] = None,
    url: Url = None,
) -> int:
    """A Python prompt with `db`, the models and top-level `await`. Opening it creates and changes nothing.

    Queries of the models go to this database. What is not typed at a terminal is read to its end and run; values of
    expressions are shown, as at the prompt. An exception ends it with 1, `exit(3)` with 3.
    """
    with asyncio.Runner() as runner:
        db = runner.run(look(url))
        try:
            console = Console(runner, db)
            if command is None and sys.stdin.isatty():
                return console.talk()
            return console.run(sys.stdin.read() if command is None else command)
        except SystemExit as ending:
            return _status(ending)
        finally:
            runner.run(db.close())


class Console(code.InteractiveConsole):
    """Reads code, compiles it with `await` allowed anywhere, and runs it with a database in use."""

    def __init__(self, runner: asyncio.Runner, db: Database) -> None:
        self._names = _names(db)
        super().__init__(self._names)
        self.compile.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        self._runner = runner
        self._db = db

    def talk(self) -> int:
        """Until Ctrl-D, or `exit()`."""
        _complete_with_tab(self._names)
        place = self._db.session.target
        self.interact(
            f"{place.dialect.title} {place.shown}\n"
            "db, the models and await are there, as in: await User.all().count()\n"
            "Ctrl-C interrupts, Ctrl-D ends.",
            exitmsg="",
        )
        return 0

    def run(self, source: str) -> int:
        """All of `source`; 0, or 1 after an exception."""
        try:
            tree = ast.Interactive(ast.parse(source, self.filename).body)
            compiled = compile(tree, self.filename, "single", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        except (SyntaxError, ValueError, OverflowError):
            self.showsyntaxerror(self.filename)
            return 1
        return 0 if self._succeeds(compiled) else 1

    def runcode(self, code: CodeType) -> None:
        self._succeeds(code)

    def showtraceback(self) -> None:
        """Of our errors only what they say; of any other from the code that was typed on."""
        error = sys.exception()
        assert error is not None
        if isinstance(error, AgentDBError):
            self.write(f"{type(error).__name__}: {error}\n")
            return
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename != self.filename:
            trace = trace.tb_next
        self.write("".join(traceback.format_exception(type(error), error, trace or error.__traceback__)))

    def write(self, data: str) -> None:
        sys.stderr.write(redact(data))

    def _succeeds(self, compiled: CodeType) -> bool:
        try:
            self._runner.run(self._run(compiled))
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException:
            self.showtraceback()
            return False
        return True

    async def _run(self, compiled: CodeType) -> None:
        with self._db.use():
            made = eval(compiled, self._names)  # noqa: S307 - the operator's own code
            if compiled.co_flags & inspect.CO_COROUTINE:
                await made


def _names(db: Database) -> dict[str, Any]:
    import agentdb
    from agentdb import models

    tables = {name: getattr(models, name) for name in models.__all__}
    return {**tables, "__name__": "__console__", "agentdb": agentdb, "asyncio": asyncio, "db": db}


def _complete_with_tab(names: dict[str, Any]) -> None:
    try:
        import readline
        import rlcompleter
    except ImportError:  # Python was built without it
        return
    readline.set_completer(rlcompleter.Completer(names).complete)
    readline.parse_and_bind("tab: complete")


def _status(ending: SystemExit) -> int:
    if isinstance(ending.code, int):
        return ending.code
    if ending.code is not None:
        complain(str(ending.code))
    return 0 if ending.code is None else 1
