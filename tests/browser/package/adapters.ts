// Compiled by `tsc --strict` against the declarations of the packed package; never run.
import { AbstractAgent } from "@ag-ui/client";
import { useChat } from "@ai-sdk/react";
import type { UIMessage } from "ai";
import { createClient } from "headwater";
import { createAgentClass, runEvents } from "headwater/ag-ui";
import { HeadwaterChatTransport, toUIMessages, type ReplyMetadata } from "headwater/ai-sdk";
import { Observable } from "rxjs";

const client = createClient();
const transport = new HeadwaterChatTransport<UIMessage<ReplyMetadata>>({
  client,
  model: "claude-sonnet-5-5",
  tools: [{ name: "look_up" }],
});
const messages = toUIMessages(await client.query("messages.byTask", { taskId: "t" }));
const chat = useChat({ id: "t", transport, messages, resume: true });
const status: string | undefined = chat.messages[0]?.metadata?.status;
const stopped: Promise<boolean> = transport.cancel("t");

const HeadwaterAgent = createAgentClass({ AbstractAgent, Observable });
const agent = new HeadwaterAgent({ threadId: "t", options: { client, systemPrompt: "Be brief." } });
await agent.runAgent();
agent.abortRun();
const events = runEvents({ threadId: "t", runId: "r", messages: agent.messages });
console.log(status, await stopped, events.locked);

// @ts-expect-error: there is no such option
new HeadwaterChatTransport({ modle: "x" });
// @ts-expect-error: there is no such option
new HeadwaterAgent({ options: { modle: "x" } });
