"""What must hold of a reply that has come through, whatever happened to it."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from tests.headwater_command import Server
from tests.survival.audit import faults_of
from tests.survival.conversation import NEXT, Conversation
from tests.survival.stage import ANYWHERE, Run, Stage
from tests.survival.witness import witnessing

__all__ = ["asked_no_more_than_needed", "judge"]

INTERNAL = {
    "lease",
    "attempts",
    "settings",
    "step",
    "signature",
    "attempt",
    "expiresAt",
    "timeoutMs",
}


async def judge(stage: Stage, run: Run, servers: list[Server]) -> None:
    """Look at everything that is left of a reply, and have its conversation go on.

    Args:
        stage: Where it happened.
        run: The reply, which is complete.
        servers: Processes that are alive.
    """
    reply = await run.witness.ended()
    where = f"{run.talk.name}, held at {run.point}: "
    assert reply["status"] == "COMPLETED", where + str(reply)
    faults = [*run.witness.faults, *await _history(stage, run)]
    faults += await _views(stage, run, servers)
    faults += _results(reply, run.witness.calls)
    faults += await _effects(stage, run)
    assert not faults, "\n".join([where, *faults, str(reply), str(run.witness.calls)])
    async with stage.room:
        await _goes_on(run, servers[-1], where)


async def asked_no_more_than_needed(stage: Stage, run: Run) -> None:
    """Check that each attempt left one step unfinished at most, so that one alone resumed it."""
    message = await stage.database.chatMessages.find_one({"_id": run.talk.message})
    assert message is not None
    steps, attempts = run.talk.steps, message["attempts"]
    assert len(steps) <= attempts + 1, f"{run.talk.name}: steps {steps} in {attempts} attempts"


async def _history(stage: Stage, run: Run) -> list[str]:
    changes = await stage.audit.told(run.talk.message, "COMPLETED")
    return faults_of(changes)


async def _views(stage: Stage, run: Run, servers: list[Server]) -> list[str]:
    """Whether all processes, the subscriber and the database say the same."""
    message = run.talk.message
    found = await stage.database.chatMessages.find_one({"_id": message})
    calls = stage.database.agentTools.find({"messageId": message}).sort("createdAt")
    stored = plain({"m": found, "t": sorted(await calls.to_list(), key=lambda one: one["_id"])})
    faults: list[str] = []
    for server in servers:
        m = await server.call("query", "messages.get", messageId=message)
        t = await server.call("query", "toolCallTracking.byMessage", messageId=message)
        faults += _other(server.url, {"m": m, "t": t}, stored)
    with suppress(TimeoutError):
        await run.witness.follower.until(lambda f: not _other("", f.values, stored), 60)
    faults += _other("the subscriber", run.witness.follower.values, stored)
    return [*faults, f"stored is {stored}"] if faults else []


def _other(who: str, said: Any, stored: Any) -> list[str]:
    ordered = {"m": said["m"], "t": sorted(said["t"], key=lambda one: one["_id"])}
    told = plain(ordered)
    return [] if told == stored else [f"{who} says {told}"]


def plain(stored: Any) -> Any:
    """A document in one form, whether it is stored or shown to clients."""
    match stored:
        case dict():
            return {
                name: "".join(value)
                if name in ("text", "argsText") and isinstance(value, list)
                else plain(value)
                for name, value in stored.items()
                if name not in INTERNAL and value is not None
            }
        case list():
            return [plain(one) for one in stored]
        case datetime():
            return round(stored.replace(tzinfo=UTC).timestamp() * 1000)
        case _:
            return stored


def _results(reply: dict[str, Any], calls: list[dict[str, Any]]) -> list[str]:
    """Whether each call has ended, and its result is shown, once."""
    shown = [part["toolCallId"] for part in reply["parts"] if part["type"] == "tool-result"]
    faults = [
        f"the call {one} has not ended" for one in calls if one["status"] in ("PENDING", "RUNNING")
    ]
    if sorted(shown) != sorted(one["toolCallId"] for one in calls):
        faults.append(f"results of {shown} are shown")
    return faults


async def _effects(stage: Stage, run: Run) -> list[str]:
    """Whether what the tools did is what their calls say."""
    effects = await stage.database.effects.find({"of": run.talk.name}).to_list()
    faults: list[str] = []
    message = await stage.database.chatMessages.find_one({"_id": run.talk.message})
    attempts = message["attempts"] if message is not None else 0
    for call in run.witness.calls:
        times = sum(one["call"] == call["toolCallId"] for one in effects)
        done = call["status"] == "COMPLETED"
        once = range(1, 2) if done else range(2)
        may_be = range(once.start, attempts + 1) if call["idempotent"] else once
        if times not in may_be:
            faults.append(f"{call['toolName']} is {call['status']} and happened {times} times")
    if stray := {one["call"] for one in effects} - {one["toolCallId"] for one in run.witness.calls}:
        faults.append(f"effects of calls that nobody knows: {stray}")
    charged = sum(one["tool"] == "charge" for one in effects)
    if charged > 1:
        faults.append(f"charged {charged} times")
    return faults


async def _goes_on(run: Run, server: Server, where: str) -> None:
    """Whether Claude's service takes the transcript of it all with the next prompt."""
    begun = await server.call(
        "action", "streaming.streamChat", taskId=run.talk.task, prompt=f"{run.talk.name}: {NEXT}"
    )
    talk = Conversation(run.talk.name, task=run.talk.task, message=begun["messageId"])
    async with witnessing(server.http, talk.message) as witness:
        await Run(talk, ANYWHERE, witness).finish(server)
        reply = witness.message
    said = [part["text"] for part in reply["parts"] if part["type"] == "text"]
    assert (reply["status"], said[-1:]) == ("COMPLETED", ["Nothing."]), where + str(reply)
