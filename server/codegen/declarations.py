"""``api.d.ts``, of what `headwater codegen` writes: the types of functions, tables and ids."""

from typing import Any

from schemas.reference import TABLE_KEY
from server.codegen.application import REFERENCE, Application, FunctionType, Schema
from server.codegen.comments import commented
from server.codegen.modules import heading
from server.codegen.names import type_names
from server.codegen.reach import definitions_reached, tables_marked
from server.codegen.typescript import property_name, quoted, type_of

__all__ = ["declarations"]


def declarations(application: Application, command: str) -> str:
    """The types of what the functions take and give.

    Args:
        application: What is described.
        command: By which it is generated.
    """
    return _Declarations(application).written(command)


_IDS = """\
/** The `_id` of a document of the table `T`: a string, and none that another table's would fit. */
export type Id<T extends TableName> = string & { readonly __table: T };

/** A document of the table `T`, as clients see it. */
export type Doc<T extends keyof Tables> = Tables[T];
"""


class _Declarations:
    """The declarations of one application."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._schemas = application.schemas
        arguments = [application.resolved(one.arguments) for one in application.functions]
        roots = [*arguments, *(one.result for one in application.functions)]
        reached = definitions_reached(roots, self._schemas)
        self._tables: dict[str, str] = {}
        """The definition of each table's documents."""
        for name in sorted(reached):
            if isinstance(table := self._schemas[name].get(TABLE_KEY), str):
                self._tables.setdefault(table, name)
        self._table_of = {name: table for table, name in self._tables.items()}
        self._types = type_names(reached - self._table_of.keys())
        marked = tables_marked([*roots, *(self._schemas[name] for name in reached)])
        self._not_shown = sorted(marked - self._tables.keys())
        """Tables of which there are ids, and no documents."""

    def written(self, command: str) -> str:
        tables = "".join(
            _documented(self._schemas[definition], "  ")
            + f"  {property_name(table)}: {self._type(self._schemas[definition], '  ')};\n"
            for table, definition in sorted(self._tables.items())
        )
        names = " | ".join(["keyof Tables", *map(quoted, self._not_shown)])
        types = [
            _documented(self._schemas[definition], "")
            + f"export type {name} = {self._type(self._schemas[definition])};\n"
            for definition, name in sorted(self._types.items(), key=lambda item: item[1])
        ]
        rooms = "".join(
            f"  readonly {property_name(room)}: {{\n"
            f"{''.join(map(self._function, functions))}  }};\n"
            for room, functions in self._application.rooms()
        )
        return "\n".join(
            [
                heading(command),
                'import type { FunctionReference } from "headwater";\n',
                _IDS,
                "/** The tables whose documents functions give. */\n"
                f"export type Tables = {{\n{tables}}};\n",
                f"export type TableName = {names};\n",
                *types,
                "/** The application's functions, for a client to call and to follow. */\n"
                f"export declare const api: {{\n{rooms}}};\n",
            ]
        )

    def _function(self, one: FunctionType) -> str:
        indent = "    "
        arguments = self._type(self._application.resolved(one.arguments), indent)
        result = self._type(one.result, indent)
        return (
            f"{commented(one.text, indent)}{indent}readonly {property_name(one.name)}: "
            f"FunctionReference<{quoted(one.kind)}, {arguments}, {result}>;\n"
        )

    def _type(self, schema: Any, indent: str = "") -> str:
        return type_of(schema, self._referring, indent)

    def _referring(self, reference: str) -> str:
        definition = reference.removeprefix(REFERENCE)
        if definition in self._table_of:
            return f"Doc<{quoted(self._table_of[definition])}>"
        return self._types.get(definition, "unknown")


def _documented(schema: Schema, indent: str) -> str:
    return commented(str(schema.get("description", "")), indent)
