import { connectProducer, type StreamHandle } from "@sluice/producer";
import { connectNats } from "@sluice/broker-nats";
import { streamSubject } from "@sluice/protocol";
import { VerifyingReader } from "@sluice/testing";
import { setTimeout as delay } from "node:timers/promises";
import type { ServedPages } from "../system/served-pages.ts";

/** Streams as a busy system has them: what kind, how fast, and how many read it. */
const STREAMS: readonly { id: string; paceMs: number; readers: number }[] = [
  { id: "support-8123-summary", paceMs: 60, readers: 3 },
  { id: "support-8124-reply", paceMs: 90, readers: 2 },
  { id: "report-2026-w48", paceMs: 40, readers: 5 },
  { id: "translate-de-44", paceMs: 70, readers: 4 },
  { id: "agent-run-19", paceMs: 120, readers: 2 },
  { id: "agent-run-20", paceMs: 150, readers: 1 },
  { id: "import-contacts-7", paceMs: 200, readers: 1 },
  { id: "review-pr-512", paceMs: 80, readers: 0 },
];

const TEXT =
  "The gate opens and the water runs down to the mill, where it turns a wheel that nobody watches at night. " +
  "In the morning the miller counts the sacks, and the river has not lost a drop.\n\n";
const WORDS = TEXT.match(/\s*\S+/g) ?? [];

/** Keeps streams, readers and a few mishaps going, so that no view is empty. */
export async function keepBusy(pages: ServedPages): Promise<AsyncDisposable> {
  const ending = new AbortController();
  const producer = await connectProducer({ servers: pages.natsUrl });
  const handles = await Promise.all(
    STREAMS.map(async (stream) => ({
      stream,
      handle: (await producer.createStream({ streamId: stream.id })).handle,
    })),
  );
  const writing = handles.map(({ stream, handle }) => write(handle, stream.paceMs, ending.signal));
  await endSome(producer);
  await publishNonsense(pages.natsUrl);
  const readers = STREAMS.flatMap(({ id, readers: count }) =>
    Array.from({ length: count }, () => {
      return new VerifyingReader({ edgeUrl: () => pages.edgeUrl, streamId: id, keepData: false });
    }),
  );
  const reading = readers.map((reader) => reader.run());
  return {
    [Symbol.asyncDispose]: async () => {
      ending.abort();
      await Promise.all(writing);
      for (const reader of readers) reader.stop();
      await Promise.all(reading);
      await producer.close();
    },
  };
}

async function write(handle: StreamHandle, paceMs: number, signal: AbortSignal): Promise<void> {
  for (let round = 0; !signal.aborted; round++) {
    await handle.sendText(WORDS[round % WORDS.length] ?? "");
    if (round % 25 === 7 && handle.streamId.startsWith("agent")) {
      await handle.send({
        chunk_type: { type: "Event", event_type: "tool_called", payload: { tool: "search", call: round } },
      });
    }
    if (round % 5 === 0 && handle.streamId.startsWith("import")) {
      await handle.send({
        chunk_type: { type: "Progress", current: round, total: 5_000, message: "contacts" },
      });
    }
    await delay(paceMs * (0.5 + Math.random()), undefined, { signal }).catch(() => undefined);
  }
}

type Producer = Awaited<ReturnType<typeof connectProducer>>;

async function endSome(producer: Producer): Promise<void> {
  const ends: readonly ((handle: StreamHandle) => Promise<unknown>)[] = [
    (handle) => handle.sendComplete("Tokens used: 88"),
    (handle) => handle.sendError("The model hung up.", "MODEL_FAILED"),
    (handle) => handle.sendError("Stopped by the user.", "CANCELLED"),
  ];
  for (const [index, end] of ends.entries()) {
    const { handle } = await producer.createStream({ streamId: `answer-55${index + 1}` });
    for (const word of WORDS) await handle.sendText(word);
    await end(handle);
  }
}

async function publishNonsense(natsUrl: string): Promise<void> {
  const link = await connectNats({ servers: natsUrl, name: "nonsense" });
  const payloads = ['{"type":"Text"}', "half a chunk {", '{"type":"Txet","content":"typing"}'];
  for (const payload of payloads) await link.jetStream.publish(streamSubject("partner-feed-3"), payload);
  await link.close();
}
