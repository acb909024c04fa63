// Compiled by `tsc --strict` against the types of kinds_app.py; never run.
import { createClient } from "headwater";
import { api, type Doc, type Id, type Leaf } from "./headwater/api.js";

/** Holds exactly where both are one type, which assignments alone would not tell. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function holds<_ extends true>() {}

const client = createClient();
const cards = await client.query(api.kindsApp.cards, { boardId: "b" as Id<"boards"> });
const card = cards[0]!;
type Card = Doc<"cards">;

holds<Same<typeof cards, Card[]>>();
holds<Same<Card["_id"], Id<"cards">>>();
holds<Same<Card["boardId"], Id<"boards">>>();
holds<Same<Card["follows"], Id<"cards"> | null | undefined>>();
holds<Same<Card["order"], Id<"orders"> | null | undefined>>();
holds<Same<Card["colour"], "red" | "blue">>();
holds<Same<Card["level"], 1 | 2 | "top" | true | null>>();
holds<Same<Card["text"], string>>();
holds<Same<Card["createdAt"], number>>();
holds<Same<Card["due"], number | null | undefined>>();
holds<Same<Card["size"], [number, number]>>();
holds<Same<Card["row"], string[]>>();
holds<Same<Card["tags"], string[]>>();
holds<Same<Card["counts"], { [key in "seen" | "kept"]?: number }>>();
holds<Same<Card["leaf"], Leaf | null | undefined>>();
holds<Same<Leaf["below"], Leaf[]>>();
holds<Same<Card["odd-name"], unknown>>();
holds<Same<"secret" extends keyof Card ? true : false, false>>();
holds<Same<Doc<"boards">["cards"], Id<"cards">[]>>();

const one = await client.query(api.kindsApp.card, { cardId: card._id });
holds<Same<typeof one, Card | null>>();
const page = await client.query(api.kindsApp.pages);
holds<Same<typeof page.page, Doc<"boards">[]>>();
holds<Same<typeof page.continueCursor, string | null>>();
holds<Same<typeof page.isDone, boolean>>();
const panel = await client.query(api.kindsApp.panel, {});
holds<Same<(typeof panel)[string], Card[]>>();
const count = await client.query(api.kindsApp.count);
holds<Same<typeof count, number>>();
const [record, doc, box] = await client.query(api.kindsApp.odd);
holds<Same<typeof record.at, [number, number]>>();
holds<Same<typeof record.other, unknown>>();
holds<Same<typeof doc.text, string>>();
holds<Same<typeof box.content, number>>();
const unsaid = await client.query(api.kindsApp.unsaid);
holds<Same<typeof unsaid, unknown>>();

const board = card.boardId;
const added = await client.mutation(api.kindsApp.add, { boardId: board, place: [1, 2], pair: [1, "a"] });
holds<Same<typeof added, Card>>();
const all = { leaf: { name: "a", below: [{ name: "b" }] }, due: Date.now(), colours: ["red" as const] };
await client.mutation(api.kindsApp.add, { boardId: board, place: [1, 2], pair: [1, "a"], ...all });
const nothing = await client.mutation(api.kindsApp.put, { card: { boardId: board } });
holds<Same<typeof nothing, null>>();
const boxed = await client.action(api.kindsApp.delete, { anything: [null] }, { wait: true });
holds<Same<typeof boxed.content, Card>>();

// @ts-expect-error: hidden is internal
api.kindsApp.hidden;
// @ts-expect-error: an array of another length
await client.mutation(api.kindsApp.add, { boardId: board, place: [1], pair: [1, "a"] });
// @ts-expect-error: a pair of another order
await client.mutation(api.kindsApp.add, { boardId: board, place: [1, 2], pair: ["a", 1] });
// @ts-expect-error: no such colour
await client.mutation(api.kindsApp.add, { boardId: board, place: [1, 2], pair: [1, "a"], colours: ["green"] });
// @ts-expect-error: a date is its milliseconds
await client.mutation(api.kindsApp.add, { boardId: board, place: [1, 2], pair: [1, "a"], due: new Date() });
// @ts-expect-error: an id of another table
const wrong: Id<"boards"> = card._id;
// @ts-expect-error: no such table
type Nothing = Doc<"nothings">;
// @ts-expect-error: there are ids of it, and no function shows its documents
type Order = Doc<"orders">;
export { wrong, type Nothing, type Order };
