import type { PartitionLog, StoredMessage } from "@sluice/core";
import { decodeMessage } from "@sluice/protocol";
import { createLogger, createRegistry } from "@sluice/runtime";
import { MemoryLog, MemoryPartitionLog } from "@sluice/memory";
import { bareMessage } from "@sluice/testing";
import { expect, test } from "vitest";
import { createIngestMetrics } from "../metrics.ts";
import { rejectElements } from "./rejections.ts";

const stored = (payload: string, brokerSequence = 1): StoredMessage =>
  bareMessage(payload, { brokerSequence });

async function reject(log: Pick<PartitionLog, "reject">, messages: readonly StoredMessage[]): Promise<void> {
  const batch = messages.map((message) => ({ message, entry: decodeMessage(message, 1024) }));
  const metrics = createIngestMetrics(createRegistry("ingest"));
  await rejectElements(log, batch, metrics, createLogger("ingest", "silent"));
}

async function keptOf(payload: string): Promise<{ index: number; element: string }[]> {
  const log = new MemoryPartitionLog(new MemoryLog({ partitions: 1 }));
  await reject(log, [stored(payload)]);
  return log.rejected.map(({ index, element }) => ({ index, element: Buffer.from(element).toString() }));
}

const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);

test("of several elements the refused one is kept, by itself", async () => {
  const kept = await keptOf('[{"type":"Text","content":"good"},{"type":"Nope"}]');
  expect(kept).toEqual([{ index: 1, element: '{"type":"Nope"}' }]);
});

test("a heartbeat takes no place: the refused element after it is kept, not the heartbeat", async () => {
  const kept = await keptOf('[{"type":"Heartbeat"},{"type":"Nope"},{"type":"Text","content":"good"}]');
  expect(kept).toEqual([{ index: 0, element: '{"type":"Nope"}' }]);
});

test("an element that is nested too deeply to be written anew does no harm: its whole message is kept", async () => {
  const payload = `[{"type":"Json","data":${nested(20_000)}},{"type":"Text","content":"good"}]`;
  expect(await keptOf(payload)).toEqual([{ index: 0, element: payload }]);
});

test("where many elements of a message are refused, it is kept once, whole, with the first reason", async () => {
  const payload = `[${Array.from({ length: 1_000 }, () => "0").join(",")}]`;
  const log = new MemoryPartitionLog(new MemoryLog({ partitions: 1 }));
  await reject(log, [stored(payload)]);
  expect(log.rejected.map(({ index, element }) => [index, Buffer.from(element).toString()])).toEqual([
    [0, payload],
  ]);
  expect(log.rejected[0]?.reason).toMatch(/1000 elements.*expected object/);
});

test("an end that was refused is kept, too, though readers get an Error chunk in its place", async () => {
  const log = new MemoryPartitionLog(new MemoryLog());
  await reject(log, [stored('{"type":"Complete","summary":7}')]);
  expect(log.rejected).toMatchObject([{ index: 0 }]);
  expect(log.rejected[0]?.reason).toContain("summary");
});
