import { connectProducer, type StreamManager } from "@sluice/producer";
import { VerifyingReader } from "@sluice/testing";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { gaugeOf, startStack, type Stack } from "./stack.ts";

const STREAMS = 200;
const CHUNKS = 100;
/** Between two chunks of a stream, ms: it lasts about four seconds, and the edge dies in its middle. */
const PACE_MS = 40;

let stack: Stack;
let producer: StreamManager;

beforeAll(async () => {
  stack = await startStack({ ingest: 2, edges: 2 });
  producer = await connectProducer({ servers: stack.natsUrl });
});

afterAll(async () => {
  await producer.close();
  await stack.stop();
});

/** What makes bytes go wrong: line ends, quotes, several code units, the line separators of JavaScript, NUL. */
const contentOf = (stream: number, index: number): string =>
  `${stream}/${index} "é" 🌊\r\n\n\u2028\u0000 data: x`;

async function produce(streamId: string, stream: number): Promise<void> {
  const { handle } = await producer.createStream({ streamId });
  for (let index = 0; index < CHUNKS - 1; index++) {
    await handle.sendText(contentOf(stream, index));
    await delay(PACE_MS);
  }
  await handle.sendComplete("done");
}

test("200 streams of 100 chunks reach every reader once, in order and byte for byte, though an edge is killed in mid-stream", async () => {
  const ids = Array.from({ length: STREAMS }, (_, stream) => `e2e-${stream}`);
  const producing = Promise.all(ids.map((id, stream) => produce(id, stream)));
  const readers = ids.map((streamId) => new VerifyingReader({ edgeUrl: () => stack.edgeUrl, streamId }));
  const reading = Promise.all(readers.map((reader) => reader.run()));

  await expect
    .poll(() => Math.min(...readers.map((reader) => reader.lastSequence)), { timeout: 20_000 })
    .toBeGreaterThan(20);
  const connections = await Promise.all(
    ["edge-1", "edge-2"].map((name) => gaugeOf(stack.service(name).url, "sluice_edge_connections")),
  );
  expect(Math.min(...connections)).toBeGreaterThan(0);
  expect(connections[0]! + connections[1]!).toBe(STREAMS);
  await stack.service("edge-1").kill();
  await Promise.all([producing, reading]);

  expect(readers.flatMap((reader) => reader.problems)).toEqual([]);
  expect(readers.flatMap((reader) => reader.gaps)).toEqual([]);
  expect(readers.filter((reader) => reader.connections > 1).length).toBeGreaterThanOrEqual(connections[0]!);
  for (const [stream, reader] of readers.entries()) {
    const chunks = reader.data.map(
      (data) => JSON.parse(data) as { sequence: number; chunk_type: { content?: string } },
    );
    expect(chunks.map((chunk) => chunk.sequence)).toEqual(
      Array.from({ length: CHUNKS }, (_, index) => index + 1),
    );
    expect(chunks.slice(0, -1).map((chunk) => chunk.chunk_type.content)).toEqual(
      Array.from({ length: CHUNKS - 1 }, (_, index) => contentOf(stream, index)),
    );
    expect(reader.endedWith).toBe("complete");
  }
}, 120_000);
