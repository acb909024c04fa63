// Compiled by `tsc --strict` against the declarations of the packed package; never run.
import { createClient, HeadwaterError, type Client, type ConnectionState } from "headwater";

interface Note {
  text: string;
}

const client: Client = createClient({ url: "http://127.0.0.1:8000" });
const listener = {
  onChange(notes: Note[]) {
    console.log(notes.length);
  },
  onError(error: HeadwaterError) {
    const retry: "never" | "after" | "resync" = error.retry;
    console.log(error.code, retry, error.retryAfterMs);
  },
};
const stop: () => void = client.subscribe("notes.byBoard", { board: "x" }, listener);
const added: Promise<Note> = client.mutation("notes.add", { board: "x", text: "Hello" });
const read: Promise<Note[]> = client.query("notes.byBoard", { board: "x" });
const begun: Promise<string> = client.action("notes.tell", {}, { wait: true, idempotencyKey: "k" });
const state: ConnectionState = client.connectionState.value;
client.connectionState.subscribe((now: ConnectionState) => console.log(now === state));

// @ts-expect-error: there is no such option
createClient({ uri: "http://127.0.0.1:8000" });
// @ts-expect-error: a name is a string
client.query(1);

await Promise.all([added, read, begun]);
stop();
client.close();
