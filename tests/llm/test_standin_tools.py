"""What the stand-in does with tools when nobody tells it what to say."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import anthropic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter

from server.llm.standin import ClaudeStandin, Reply, Text, Thinking, ToolUse
from server.llm.standin.arguments import arguments_for
from server.llm.standin.improvise import improvise
from server.llm.standin.prose import SIGNATURE


def tool(name: str, *required: str, **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return {"name": name, "description": name, "input_schema": schema}


WEATHER = tool("get_weather", "city", city={"type": "string"})
NOTES = tool("search_notes", "query", query={"type": "string"})
CLOCK = tool("now")
TOOLS = [WEATHER, NOTES, CLOCK]


def reply(prompt: str, **change: Any) -> Reply:
    body = {
        "max_tokens": 1_000,
        "tools": TOOLS,
        "messages": [{"role": "user", "content": prompt}],
    }
    return improvise(body | change, deltas_per_second=40)


def called(prompt: str, **change: Any) -> list[tuple[str, Any]]:
    return [(p.name, p.input) for p in reply(prompt, **change).parts if isinstance(p, ToolUse)]


@pytest.mark.parametrize(
    ("prompt", "calls"),
    [
        ("Call get_weather for Bern", [("get_weather", {"city": "Bern"})]),
        ("Please get the weather for 'New York'.", [("get_weather", {"city": "New York"})]),
        ("getWeather in Bern", [("get_weather", {"city": "Bern"})]),
        ("What is it now?", [("now", {})]),
        ("Why do rivers meander?", []),
        ("I know nothing.", []),
        ("Use a tool, please: Bern", [("get_weather", {"city": "Bern"})]),
        ("", []),
    ],
)
def test_a_tool_that_the_prompt_mentions_is_called(prompt: str, calls: list[Any]):
    assert called(prompt) == calls
    assert called(prompt) == called(prompt)


def test_two_tools_are_called_at_once_in_the_order_of_the_prompt():
    names = [name for name, _ in called("Search my notes for trips, then the weather in Bern")]
    assert names == ["search_notes", "get_weather"]
    both = [name for name, _ in called("Use your tools on Bern")]
    assert both == ["get_weather", "search_notes"]


def test_tool_choice_is_heeded():
    prompt = "Call get_weather and now"
    assert called(prompt, tool_choice={"type": "none"}) == []
    assert [name for name, _ in called("Hi", tool_choice={"type": "any"})] == ["get_weather"]
    assert [n for n, _ in called("Hi", tool_choice={"type": "tool", "name": "now"})] == ["now"]
    one = {"type": "auto", "disable_parallel_tool_use": True}
    assert [name for name, _ in called(prompt, tool_choice=one)] == ["get_weather"]


def test_without_tools_or_room_there_is_only_text():
    assert called("Call get_weather", tools=[]) == []
    assert called("Call get_weather", max_tokens=100) == []
    assert (
        called("web_search it", tools=[{"type": "web_search_20250305", "name": "web_search"}]) == []
    )


def test_results_are_answered_whether_good_or_bad():
    good = {
        "type": "tool_result",
        "tool_use_id": "a",
        "content": [{"type": "text", "text": "18 °C"}],
    }
    bad = {"type": "tool_result", "tool_use_id": "b", "content": "no clock", "is_error": True}
    calls = [
        {"type": "tool_use", "id": "a", "name": "get_weather", "input": {"city": "Bern"}},
        {"type": "tool_use", "id": "b", "name": "now", "input": {}},
    ]
    messages = [
        {"role": "user", "content": "Call get_weather and now"},
        {"role": "assistant", "content": calls},
        {"role": "user", "content": [good, bad]},
    ]
    answer = reply("", messages=messages)
    assert not any(isinstance(part, ToolUse) for part in answer.parts)
    thinking, text = answer.parts
    assert isinstance(thinking, Thinking)
    assert isinstance(text, Text)
    said = "".join(text.deltas)
    assert "`get_weather` says: 18 °C" in said
    assert "`now` failed: no clock" in said
    assert said.endswith(SIGNATURE)


# Arguments


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Place(BaseModel):
    street: str
    number: Annotated[int, Field(ge=1, le=400)]


class Everything(BaseModel):
    words: str
    short: Annotated[str, Field(max_length=3)]
    long: Annotated[str, Field(min_length=40)]
    code: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    count: int
    few: Annotated[int, Field(gt=2, lt=5)]
    even: Annotated[int, Field(multiple_of=7, ge=10)]
    ratio: Annotated[float, Field(gt=0, lt=1)]
    is_on: bool
    nothing: None
    colour: Colour
    fixed: Literal["this"]
    either: int | str
    maybe: str | None
    day: date
    uuid: UUID
    place: Place
    places: Annotated[list[Place], Field(min_length=2)]
    numbers: Annotated[set[int], Field(min_length=3)]
    pair: dict[str, int]
    optional: int = 7


@given(st.text(max_size=80) | st.sampled_from(["Paint it blue, 3 times", "12 -4 0.5 'x'", ""]))
def test_arguments_fit_the_schema(prompt: str):
    for model in (Everything, Place):
        made = arguments_for(model.model_json_schema(), prompt)
        model.model_validate(made)
        assert made == arguments_for(model.model_json_schema(), prompt)


def test_arguments_are_taken_from_the_prompt():
    schema = Everything.model_json_schema()
    made = Everything.model_validate(arguments_for(schema, "Paint 'the wall' blue 3 times"))
    assert (made.words, made.colour, made.count) == ("the wall", Colour.BLUE, 3)
    query = tool("search", "query", query={"type": "string"})["input_schema"]
    assert arguments_for(query, "How long is the Aare?") == {"query": "How long is the Aare"}
    path = tool("read", "file", file={"type": "string"})["input_schema"]
    assert arguments_for(path, "Look at src/main.py now.") == {"file": "src/main.py"}


def test_a_schema_that_refers_to_itself_ends():
    class Tree(BaseModel):
        name: str
        children: list["Tree"]

    made = arguments_for(Tree.model_json_schema(), "An oak")
    assert made["children"][0]["children"]


_keywords = st.sampled_from(
    ["type", "properties", "required", "items", "anyOf", "allOf", "$ref", "enum", "minLength",
     "maxLength", "minItems", "minimum", "multipleOf", "pattern"]
)  # fmt: skip
_odd = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["string", "object", "#/x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keywords, inner, max_size=5),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["type", "properties", "required", "anyOf", "$ref"]), _odd))
def test_a_schema_that_makes_no_sense_is_no_crash(schema: dict[str, Any]):
    TypeAdapter(dict[str, Any]).validate_python(arguments_for(schema, "An oak of 3"))


# Through the SDK


def test_a_whole_conversation_with_tools_is_taken_as_it_comes_back():
    with ClaudeStandin() as standin:
        client = anthropic.Anthropic(base_url=standin.base_url, api_key="any", max_retries=0)
        messages: list[Any] = [{"role": "user", "content": "The weather in Bern, and my notes?"}]
        asked: dict[str, Any] = {
            "model": "claude-sonnet-5-5",
            "max_tokens": 1_000,
            "tools": TOOLS,
            "thinking": {"type": "adaptive", "display": "summarized"},
        }
        reasons: list[Any] = []
        for said in ("tool_result", "Thank you. And now?", "tool_result", ""):
            with client.messages.stream(messages=messages, **asked) as stream:
                message = stream.get_final_message()
            reasons.append(message.stop_reason)
            results = [
                {"type": "tool_result", "tool_use_id": block.id, "content": f"{block.name}: fine"}
                for block in message.content
                if block.type == "tool_use"
            ]
            content = [block.to_dict(mode="json") for block in message.content]
            messages.append({"role": "assistant", "content": content})
            messages.append({"role": "user", "content": results or said})
        client.close()
        assert reasons == ["tool_use", "end_turn", "tool_use", "end_turn"]
        assert {received.outcome for received in standin.requests} == {"answered"}
