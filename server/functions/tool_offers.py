"""Tools that a prompt offers to Claude: what it is told of each, who runs it."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from schemas.chat_messages import OfferedTool
from server.llm import TOOL_NAME, unfit_schema
from server.runtime import InvalidArguments, Tool

__all__ = ["ToolOffer", "offered_tools"]

ToolName = Annotated[str, StringConstraints(pattern=rf"^{TOOL_NAME.pattern}$")]


class ToolOffer(BaseModel):
    """A tool that Claude may call.

    Attributes:
        name: Its name. Where the server has a tool of this name, that is the one.
        description: What Claude is told of it.
        parameters: The JSON Schema of its arguments, an object.
        idempotent: Whether a call may be offered again when its executor fell silent.
        approval: Whether somebody must allow each call.
        timeout_ms: How long its executor may take to answer.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    name: ToolName
    description: Annotated[str, Field(max_length=20_000)] = ""
    parameters: dict[str, Any] | None = None
    idempotent: bool = False
    approval: bool = False
    timeout_ms: Annotated[int, Field(ge=100, le=3_000_000)] | None = None


def offered_tools(
    offers: Sequence[ToolOffer], own: Mapping[str, Tool[..., Any]]
) -> list[OfferedTool]:
    """What Claude is told of the tools, and who runs each.

    Args:
        offers: What was asked for.
        own: The server's tools, by name.

    Raises:
        InvalidArguments: Claude would not take one of them.
    """
    offered: dict[str, OfferedTool] = {}
    for offer in offers:
        if offer.name in offered:
            raise _unfit(offer, "another one has the same name; give each a name of its own")
        offered[offer.name] = _offered(offer, own.get(offer.name))
    return list(offered.values())


def _offered(offer: ToolOffer, own: Tool[..., Any] | None) -> OfferedTool:
    if own is not None:
        return OfferedTool(
            name=offer.name, description=own.description, parameters=own.parameters,
            runs_on="server", idempotent=own.idempotent, approval=own.approval or offer.approval,
        )  # fmt: skip
    if offer.parameters is None:
        raise _unfit(offer, "this server has no such tool, so it needs parameters")
    parameters: dict[str, Any] = {"type": "object", "properties": {}, **offer.parameters}
    if (problem := unfit_schema(parameters)) is not None:
        raise _unfit(offer, problem)
    return OfferedTool(
        name=offer.name, description=offer.description, parameters=parameters,
        idempotent=offer.idempotent, approval=offer.approval, timeout_ms=offer.timeout_ms,
    )  # fmt: skip


def _unfit(offer: ToolOffer, problem: str) -> InvalidArguments:
    return InvalidArguments(
        f"The tool {offer.name!r} cannot be offered: {problem}.",
        details=[{"argument": "tools", "problem": f"{offer.name}: {problem}"}],
    )
