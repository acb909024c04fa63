"""``headwater convert``: a Convex export into files that ``headwater import`` takes."""

import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from schemas.document import Document
from server.cli.convex_documents import LEFT_OUT, Unfit, convert_document, first_free_sequence
from server.cli.convex_export import ConvexExport, NoDocument, open_export
from server.cli.printable import counted, printable
from server.core.errors import StartupError

__all__ = ["convert"]

SHOWN_MAX = 20
"""Lines of a table that failed, told of."""
MESSAGES, TASKS = "chatMessages", "tasks"


def convert(
    export: Annotated[
        Path, typer.Argument(help="What `npx convex export --path` wrote: a ZIP file or a folder.")
    ],
    tables: Annotated[
        list[str] | None, typer.Argument(help="The tables; all of the export by itself.")
    ] = None,
    to: Annotated[Path, typer.Option("--to", help="A folder, made if absent.")] = Path("converted"),
    task: Annotated[
        list[str] | None,
        typer.Option(help="Only what belongs to this task; may be repeated.", metavar="ID"),
    ] = None,
    app: Annotated[
        str | None, typer.Option(help="An app of your own whose tables these are, as file.py:app.")
    ] = None,
) -> None:
    """Turn a Convex export into files for `headwater import`, a document a line.

    Documents keep their _id; _creationTime becomes createdAt where there is none.
    Fields that the app declares as dates become dates. Tables of the built-in
    application get its shapes; what was under way counts as interrupted. Other
    fields and other tables stay as they are. Lines that are no document, or do
    not fit their table, are left out and told of; the exit code is 1 then.

    Not taken over: presence, workspaceStatus and terminalOutput of the built-in
    application, and stored files.

    Examples:
      headwater convert snapshot.zip --to moved/
      headwater convert snapshot.zip tasks chatMessages --task j57… --to one-task/
      headwater import moved/ --dry-run
    """
    from server.cli.tables import declared_tables  # here, as it takes a second

    declared = declared_tables(app)
    with open_export(export) as opened:
        missing = [table for table in tables or () if table not in opened.tables]
        if missing:
            known = ", ".join(opened.tables)
            raise StartupError(f"{export} has no table {missing[0][:100]!r}; it has {known}.")
        try:
            to.mkdir(parents=True, exist_ok=True)
            failed = sum(
                _convert(opened, table, declared.get(table), to, task)
                for table in tables or opened.tables
                if not _is_left_out(table, declared.get(table))
            )
        except OSError as error:
            raise StartupError(
                f"{to} cannot be written: {error.strerror or error}; make room or grant access."
            ) from None
        if opened.has_files:
            _say("Files in Convex's storage are left out: keep them where they can be fetched.")
    if failed:
        sys.exit(1)


def _is_left_out(table: str, into: type[Document] | None) -> bool:
    why = LEFT_OUT.get(into) if into else None
    if why is not None:
        _say(f"{table}: left out, for {why}")
    return why is not None


def _convert(
    export: ConvexExport,
    table: str,
    into: type[Document] | None,
    to: Path,
    tasks: Sequence[str] | None,
) -> int:
    """Write the file of one table; how many lines failed."""
    from server.store.export_files import atomic_file, file_of
    from server.store.extended_json import Unreadable, line_of

    sequences = _sequences(export) if table == TASKS else defaultdict[str, int](int)
    written = 0
    failures: list[tuple[int, str]] = []
    with atomic_file(to / file_of(table)) as file:
        for number, document in export.documents(table):
            try:
                if isinstance(document, NoDocument):
                    raise document
                if tasks and document.get("_id" if table == TASKS else "taskId") not in tasks:
                    continue
                stored = convert_document(document, into, sequences[document["_id"]])
                line = line_of(stored)
            except (Unfit, NoDocument, Unreadable) as error:
                failures.append((number, str(error)))
                continue
            file.write(line.encode() + b"\n")
            written += 1
    _say(f"{table}: {counted(written, 'document')} in {to / file_of(table)}")
    for number, reason in failures[:SHOWN_MAX]:
        _say(f"  line {number}: {reason}")
    if len(failures) > SHOWN_MAX:
        _say(f"  … and {len(failures) - SHOWN_MAX:,} more")
    return len(failures)


def _sequences(export: ConvexExport) -> dict[str, int]:
    """What the next message of each task takes, by the messages that it has."""
    found: dict[str, int] = defaultdict(int)
    if MESSAGES in export.tables:
        for _, message in export.documents(MESSAGES):
            if not isinstance(message, NoDocument):
                task: Any = message.get("taskId")
                found[task] = first_free_sequence(found[task], message)
    return found


def _say(sentence: str) -> None:
    print(printable(sentence), file=sys.stderr)  # a terminal reads it
