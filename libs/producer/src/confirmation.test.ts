import { jumpSequence, partitionOf, StreamError, type Receipt, type StreamHead } from "@sluice/core";
import { MemoryLog, MemoryReceiptFeed, MemoryStreamLog } from "@sluice/memory";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { StreamManager, type SendReceipt, type StreamHandle } from "./index.ts";

const STREAM = "s";

let log: MemoryLog;
let feed: MemoryReceiptFeed;
let manager: StreamManager;
let handle: StreamHandle;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  log = new MemoryLog();
  feed = new MemoryReceiptFeed();
  manager = new StreamManager({ log: new MemoryStreamLog(log), receiptFeed: feed });
  ({ handle } = await manager.createStream({ streamId: STREAM }));
});
afterEach(async () => {
  await manager.close();
  if (feed.openSubscriptions > 0) throw new Error("a subscription is left open");
  vi.useRealTimers();
});

const sequenced = { confirm: "sequenced" } as const;
const text = (content: string) => ({ type: "Text", content }) as const;

/** What ingest says of the message that was stored last. */
function tell(receipt: Partial<Receipt> = {}): void {
  const last = log.messages.at(-1);
  if (last?.receiptTo === undefined || last.receiptTo === null) throw new Error("no receipt was asked for");
  const { brokerSequence } = last;
  feed.publishReceipt(last.receiptTo, { brokerSequence, first: 1, count: 1, ...receipt });
}

function watch(work: Promise<SendReceipt | SendReceipt[]>): { outcome: unknown } {
  const watched: { outcome: unknown } = { outcome: null };
  work.then(
    (receipt) => (watched.outcome = receipt),
    (error: unknown) => (watched.outcome = error),
  );
  return watched;
}

async function turn(ms = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
  await new Promise(setImmediate);
  await vi.advanceTimersByTimeAsync(0);
}

/** Answers for ingest, until closed. */
async function withHead(head: StreamHead | null, work: () => Promise<void>): Promise<void> {
  const answering = feed.answerHeads(partitionOf(STREAM, log.partitions), async () => head);
  await work();
  answering.close();
}

test("a send that asks for it resolves with the number that ingest assigned, once readers can have it", async () => {
  const sent = watch(handle.send(text("a"), sequenced));
  await turn(500);
  expect(log.messages.length).toBe(2);
  expect(sent.outcome).toBeNull();
  tell({ first: 41 });
  await turn();
  expect(sent.outcome).toEqual({ brokerSequence: log.lastSequence, sequence: 41 });
});

test("what doesn't ask is neither held up nor asked for, also where it travels with what does", async () => {
  await handle.sendText("plain");
  expect(log.messages.at(-1)?.receiptTo).toBeNull();
  const [durable, both] = [
    watch(handle.send(text("b"))),
    watch(handle.sendAll([text("c"), text("d")], sequenced)),
  ];
  await turn();
  expect(log.messages.length).toBe(3);
  expect(durable.outcome).toMatchObject({ sequence: 2 });
  expect(both.outcome).toBeNull();
  tell({ first: 2, count: 3 });
  await turn();
  expect(both.outcome).toMatchObject([{ sequence: 3 }, { sequence: 4 }]);
});

test("the next message doesn't wait for the receipt of the one before", async () => {
  const first = watch(handle.send(text("a"), sequenced));
  await turn();
  const { receiptTo, brokerSequence } = log.messages.at(-1)!;
  const second = watch(handle.send(text("b"), sequenced));
  await turn();
  tell({ first: 2 });
  await turn();
  expect([first.outcome, second.outcome]).toMatchObject([null, { sequence: 2 }]);
  feed.publishReceipt(receiptTo!, { brokerSequence, first: 1, count: 1 });
  await turn();
  expect(first.outcome).toMatchObject({ sequence: 1 });
});

test("a handle can be opened so that all its sends are confirmed, and single ones still not", async () => {
  await handle.close();
  handle = await manager.openStream(STREAM, { mode: "shared", ...sequenced });
  const sent = watch(handle.sendText("a"));
  await turn();
  expect(sent.outcome).toBeNull();
  tell();
  await turn();
  expect(sent.outcome).toMatchObject({ sequence: 1 });
  expect(await handle.send(text("b"), { confirm: "durable" })).toMatchObject({ sequence: 2 });
});

test("where the receipt is lost, the stream's record proves the number", async () => {
  const sent = watch(handle.sendAll([text("a"), text("b")], sequenced));
  await turn();
  const brokerSequence = log.lastSequence;
  await withHead({ sequence: 7, brokerSequence, status: "open" }, () => turn(1_000));
  expect(sent.outcome).toMatchObject([{ sequence: 6 }, { sequence: 7 }]);
});

test("a record that others have written on after it proves the number that the message carries", async () => {
  const sent = watch(handle.send(text("a"), sequenced));
  await turn();
  const brokerSequence = log.lastSequence;
  await withHead({ sequence: 9, brokerSequence: brokerSequence + 5, status: "completed" }, () => turn(1_000));
  expect(sent.outcome).toEqual({ brokerSequence, sequence: 1 });
});

test.each([
  ["doesn't reach as far", (at: number) => ({ sequence: 5, brokerSequence: at - 1, status: "open" })],
  [
    "has jumped since",
    (at: number) => ({ sequence: jumpSequence(at), brokerSequence: at + 1, status: "open" }),
  ],
  ["is missing", () => null],
] as const)(
  "a send whose stream's record %s fails in bounded time, and says that the chunk is durable",
  async (_, headAt) => {
    const sent = watch(handle.send(text("a"), sequenced));
    await turn();
    const brokerSequence = log.lastSequence;
    await withHead(headAt(brokerSequence) as StreamHead | null, () => turn(10_000));
    expect(sent.outcome).toBeInstanceOf(StreamError);
    expect(sent.outcome).toMatchObject({
      code: "UNCONFIRMED",
      retryable: false,
      details: { may_be_stored: true, broker_sequence: brokerSequence },
    });
    expect(await handle.sendText("b")).toMatchObject({ sequence: 2 });
  },
);

test("a receipt that comes late, but within the time, still counts", async () => {
  const sent = watch(handle.send(text("a"), sequenced));
  await turn(5_000);
  tell();
  await turn();
  expect(sent.outcome).toMatchObject({ sequence: 1 });
});

test("a chunk that turns out to stand behind the stream's end is told so", async () => {
  const sent = watch(handle.send(text("a"), sequenced));
  await turn();
  tell({ first: 5, count: 0 });
  await turn();
  expect(sent.outcome).toMatchObject({ code: "STREAM_ENDED", details: { may_be_stored: true } });
  const lost = watch(handle.send(text("b"), sequenced));
  await turn();
  await withHead({ sequence: 4, brokerSequence: log.lastSequence, status: "completed" }, () => turn(1_000));
  expect(lost.outcome).toMatchObject({ code: "STREAM_ENDED" });
});

test("the end itself can be confirmed, by its receipt or by the record of the ended stream", async () => {
  const sent = watch(handle.send({ type: "Complete", summary: null }, sequenced));
  await turn();
  await withHead({ sequence: 1, brokerSequence: log.lastSequence, status: "completed" }, () => turn(1_000));
  expect(sent.outcome).toMatchObject({ sequence: 1 });
});

test("closing waits for what is to be confirmed", async () => {
  const sent = watch(handle.send(text("a"), sequenced));
  await turn();
  let isClosed = false;
  const closing = handle.close().then(() => (isClosed = true));
  await turn(2_000);
  expect(isClosed).toBe(false);
  tell();
  await turn();
  await closing;
  expect(sent.outcome).toMatchObject({ sequence: 1 });
});

test("where receipts can't be listened for, the send that asks fails and is surely not stored; the handle goes on", async () => {
  const openInbox = vi.spyOn(feed, "openInbox").mockImplementationOnce(() => {
    throw new StreamError("CONNECTION", "closed");
  });
  const [sent, behind] = [watch(handle.send(text("a"), sequenced)), watch(handle.sendText("with it"))];
  await turn();
  expect([sent.outcome, behind.outcome]).toMatchObject([{ code: "CONNECTION" }, { code: "CONNECTION" }]);
  expect(openInbox).toHaveBeenCalledOnce();
  expect(await handle.sendText("b")).toMatchObject({ sequence: 1 });
  await handle.close();
});

test("without a way to hear of receipts nothing can be confirmed, and a send that asks is refused", async () => {
  const deaf = new StreamManager({ log: new MemoryStreamLog(log) });
  const { handle: plain } = await deaf.createStream();
  await expect(plain.send(text("a"), sequenced)).rejects.toMatchObject({ code: "INVALID_REQUEST" });
});
