"""Event streams in the form of Claude's API, as if they had been recorded."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "llm" / "recordings"
SIGNATURE = "EqQBCkYIBBgCKkDwrittenForTheTests+/9k3mA=="
CITED = {
    "type": "char_location",
    "cited_text": "The Aare is 288 km long.",
    "document_index": 0,
    "document_title": "Aare",
    "start_char_index": 0,
    "end_char_index": 24,
}
FOUND = {
    "type": "web_search_result",
    "url": "https://example.com/aare",
    "title": "Aare",
    "encrypted_content": "EoYBCioIAhgB",
    "page_age": None,
}


def event(kind: str, **fields: Any) -> bytes:
    """One event."""
    said = json.dumps({"type": kind, **fields}, ensure_ascii=False)
    if any("\ud800" <= letter <= "\udfff" for letter in said):
        said = json.dumps({"type": kind, **fields})
    return f"event: {kind}\ndata: {said}\n\n".encode()


def block(index: int, start: dict[str, Any], deltas: Sequence[dict[str, Any]] = ()) -> bytes:
    """A content block."""
    grown = (event("content_block_delta", index=index, delta=delta) for delta in deltas)
    began = event("content_block_start", index=index, content_block=start)
    return began + b"".join(grown) + event("content_block_stop", index=index)


def text(index: int, *pieces: str, citations: Sequence[dict[str, Any]] = ()) -> bytes:
    cited = [{"type": "citations_delta", "citation": one} for one in citations]
    words = [{"type": "text_delta", "text": piece} for piece in pieces]
    start: dict[str, Any] = {"type": "text", "text": ""}
    return block(index, {**start, "citations": []} if citations else start, [*cited, *words])


def thinking(index: int, *pieces: str) -> bytes:
    thought = [{"type": "thinking_delta", "thinking": piece} for piece in pieces]
    signed = {"type": "signature_delta", "signature": SIGNATURE + str(index)}
    start = {"type": "thinking", "thinking": "", "signature": ""}
    return block(index, start, [*thought, signed])


def tool(index: int, name: str, *pieces: str, kind: str = "tool_use") -> bytes:
    start = {"type": kind, "id": f"{kind}_{index}", "name": name, "input": {}}
    grown = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *pieces)]
    return block(index, start, grown)


def reply(
    *blocks: bytes, stop_reason: str = "end_turn", start: Any = None, end: Any = None
) -> bytes:
    """A whole reply; `start` and `end` are further fields of its usage."""
    usage = {"input_tokens": 40, "output_tokens": 1, **(start or {})}
    message = {
        "id": "msg_01WrittenForTheTests", "type": "message", "role": "assistant",
        "model": "claude-sonnet-5-5", "content": [], "stop_reason": None, "stop_sequence": None,
        "usage": usage,
    }  # fmt: skip
    ended = {"stop_reason": stop_reason, "stop_sequence": None}
    return b"".join(
        [
            event("message_start", message=message),
            event("ping"),
            *blocks,
            event("message_delta", delta=ended, usage={"output_tokens": 77, **(end or {})}),
            event("message_stop"),
        ]
    )


WRITTEN: dict[str, bytes] = {
    "text": reply(text(0, "Good", " ", "day.")),
    "thinking with its signature": reply(
        thinking(0, "Hm, ", "let me see."), text(1, "Yes."),
        end={"output_tokens_details": {"thinking_tokens": 60}},
    ),
    "empty thinking": reply(thinking(0), text(1, "Yes.")),
    "thinking between texts": reply(text(0, "A"), thinking(1, "Hm."), text(2, "B")),
    "redacted thinking": reply(
        block(0, {"type": "redacted_thinking", "data": "EmwKAhgBEgy3va"}), text(1, "I may say so.")
    ),
    "citations": reply(
        text(0, "Its length: "), text(1, "288 km", citations=[CITED, CITED]), text(2, ".")
    ),
    "several texts": reply(text(0, "One."), text(1), text(2, "Three.")),
    "letters of all kinds": reply(
        text(0, "Zü", "rich 👩", "\u200d👩", "\u200d👧 e", "\u0301 \u202eabc\u202c"),
        text(1, "\x00\x1f\u2028", "日本", "𝔘"),
    ),
    "letters in halves": reply(
        text(0, "a\ud83d", "\ude00b\udc00c", "d\ud83d"), text(1, "\ud83d", "\ude00"),
    ),
    "usage of all kinds": reply(
        text(0, "Well."),
        start={
            "cache_creation_input_tokens": 300, "cache_read_input_tokens": 2_000,
            "cache_creation": {"ephemeral_5m_input_tokens": 300, "ephemeral_1h_input_tokens": 0},
            "service_tier": "standard",
        },
        end={
            "input_tokens": 41,
            "cache_creation_input_tokens": 301, "cache_read_input_tokens": 2_001,
            "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0},
            "output_tokens_details": {"thinking_tokens": 12},
        },
    ),
    "a tool with its JSON in pieces": reply(
        thinking(0, "A tool."),
        tool(1, "look", '{"pla', 'ce": "Zü', 'rich", "deep": {"n": [1, 2.5e3, null, tr', 'ue]}}'),
        stop_reason="tool_use",
    ),
    "tools at once, one without arguments": reply(
        text(0, "Both."), tool(1, "look", '{"place": "\\ud83d\\ude00"}'), tool(2, "look"),
        stop_reason="tool_use",
    ),
    "arguments that MongoDB minds": reply(
        tool(0, "look", '{"$set": {"a.b": 1, "$x": {}}, "": 0,', f' "big": {10**30 + 1}}}'),
        stop_reason="tool_use",
    ),
    "a tool's JSON cut by max_tokens": reply(
        text(0, "Let me look."), tool(1, "look", '{"place": "Bern", "why": "Beca'),
        stop_reason="max_tokens",
    ),
    "a tool's JSON that is none": reply(
        tool(0, "look", '{"place": "Bern"'), stop_reason="tool_use"
    ),
    "the server's own tools": reply(
        tool(0, "web_search", '{"query": "Aare"}', kind="server_tool_use"),
        block(
            1,
            {"type": "web_search_tool_result", "tool_use_id": "server_tool_use_0"}
            | {"content": [FOUND]},
        ),
        text(2, "It is long."),
    ),
    "things newer than this code": reply(
        event("weather_report", note="an event newer than this code"),
        block(0, {"type": "hologram", "light": [1, 2]}),
        text(1, "Look."),
        event("ping"),
    ),
}  # fmt: skip
"""By what is in them."""

RECORDED = {**{path.stem: path.read_bytes() for path in sorted(FOLDER.iterdir())}, **WRITTEN}
"""The same, and the recordings that are kept as files."""
