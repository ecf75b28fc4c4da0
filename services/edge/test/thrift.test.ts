import { memoryEdgePorts } from "@sluice/testing";
import { describe, expect, test } from "vitest";
import type { EdgeSettings } from "../src/config.ts";
import { sequencesTo, startBench } from "./edge-bench.ts";
import type { TestReader } from "./sse-reader.ts";

function start(settings: Partial<EdgeSettings> = {}) {
  return startBench(memoryEdgePorts(), settings);
}

interface TextChunk {
  sequence: number;
  first_sequence?: number;
  chunk_type: { type: string; content?: string };
}

const chunksOf = (reader: TestReader): TextChunk[] =>
  reader.events.map(({ data }) => JSON.parse(data) as TextChunk);

const textOf = (reader: TestReader): string =>
  chunksOf(reader)
    .map(({ chunk_type }) => chunk_type.content ?? "")
    .join("");

describe("a compact replay", () => {
  test("of an answer of 20,000 tokens is kilobytes instead of megabytes, and the same text", async () => {
    await using bench = await start();
    await bench.ingest.create("s");
    const tokens = sequencesTo(20_000).map(
      (number) => ["The", " quick", " brown\n", ' "fox"'][number % 4] ?? "",
    );
    for (let at = 0; at < tokens.length; at += 1_000)
      await bench.ingest.publish("s", tokens.slice(at, at + 1_000));
    await bench.ingest.publish("s", [], "completed");
    const sizes: number[] = [];
    for (const query of ["", "?compact=1"]) {
      const before = await bench.metric("sluice_edge_sent_bytes_total");
      const reader = await bench.open(`/streams/s/events${query}`);
      await reader.untilEnd(20_000);
      sizes.push((await bench.metric("sluice_edge_sent_bytes_total")) - before);
      expect(textOf(reader)).toBe(tokens.join(""));
      expect(reader.lastEventId).toBe("20001");
    }
    const [plain = 0, compact = 0] = sizes;
    expect(plain).toBeGreaterThan(3_000_000);
    expect(compact).toBeLessThan(200_000);
    expect(plain / compact).toBeGreaterThan(20);
  }, 60_000);

  test("tells of each sequence once, whatever position a reader comes with, and goes on live", async () => {
    await using bench = await start({ pageChunks: 7 });
    await bench.ingest.create("s");
    await bench.ingest.publish("s", sequencesTo(20).map(String));
    for (const cursor of sequencesTo(20, 0)) {
      const reader = await bench.open("/streams/s/events?compact=1", { "Last-Event-ID": String(cursor) });
      await reader.until("the opening", () => reader.retries.length === 1);
      if (cursor < 20) await reader.untilSequence(20);
      const covered = chunksOf(reader).flatMap(({ sequence, first_sequence }) =>
        sequencesTo(sequence, first_sequence ?? sequence),
      );
      expect(covered).toEqual(sequencesTo(20, cursor + 1));
      expect(chunksOf(reader).length).toBeLessThanOrEqual(3);
      reader.close();
    }
    const reader = await bench.open("/streams/s/events?compact=1");
    await reader.untilSequence(20);
    await bench.ingest.publish("s", ["x", "y"]);
    await reader.untilSequence(22);
    expect(chunksOf(reader).slice(-2)).toEqual([
      expect.objectContaining({ sequence: 21 }),
      expect.objectContaining({ sequence: 22 }),
    ]);
  });

  test("is one also for many streams on a connection", async () => {
    await using bench = await start();
    for (const id of ["a", "b"]) {
      await bench.ingest.create(id);
      await bench.ingest.publish(id, ["1", "2", "3"]);
    }
    const reader = await bench.open("/streams/events?stream_id=a&stream_id=b&compact=1");
    await reader.until("the position", () => reader.lastEventId === "3.3");
    expect(reader.ofEvent("text").map(({ data }) => (JSON.parse(data) as TextChunk).first_sequence)).toEqual([
      1, 1,
    ]);
  });
});

describe("a reader that asks for coalescing", () => {
  test("gets in few writes what others get in many, and the end without delay", async () => {
    await using bench = await start();
    await bench.ingest.create("s");
    const reader = await bench.open("/streams/s/events?coalesce_ms=500");
    await reader.until("the opening", () => reader.retries.length === 1);
    const before = await bench.metric("sluice_edge_writes_total");
    for (let count = 0; count < 40; count++) {
      await bench.ingest.publish("s", ["x"]);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await bench.metric("sluice_edge_writes_total")).toBe(before);
    await reader.untilSequence(40);
    expect((await bench.metric("sluice_edge_writes_total")) - before).toBeLessThanOrEqual(3);
    const beforeEndMs = performance.now();
    await bench.ingest.publish("s", [], "completed");
    await reader.untilEnd();
    expect(performance.now() - beforeEndMs).toBeLessThan(150);
    expect(reader.sequences).toEqual(sequencesTo(41));
  });

  test("never has more gathered for it than its buffer takes", async () => {
    await using bench = await start({ maxBufferBytes: 4_096 });
    await bench.ingest.create("s");
    const reader = await bench.open("/streams/s/events?coalesce_ms=1000");
    await reader.until("the opening", () => reader.retries.length === 1);
    const begunMs = performance.now();
    for (let count = 1; count <= 50; count++) {
      await bench.ingest.publish("s", ["x".repeat(1_000)]);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await reader.until("most of it", () => (reader.sequences.at(-1) ?? 0) > 40);
    expect(performance.now() - begunMs).toBeLessThan(900);
    await reader.untilSequence(50);
    expect(reader.sequences).toEqual(sequencesTo(50));
  });
});
