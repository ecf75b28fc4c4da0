import { connectProducer } from "@sluice/producer";
import { VerifyingReader } from "@sluice/testing";
import { ProcessServer } from "@sluice/servers";
import { cpSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { gaugeOf, startStack } from "./stack.ts";

/** Both come from the message that a chunk was published in, so equal ones mean the same chunk. */
interface ToldChunk {
  sequence: number;
  chunk_type: { content?: string };
}

test("an older copy of the log in the place of the log is noticed, told as a gap, and no number carries two chunks", async () => {
  await using stack = await startStack({ ingest: 2, edges: 1 });
  const { nats } = stack;
  if (!(nats instanceof ProcessServer)) throw new Error("this test needs a local nats-server");
  const copy = join(tmpdir(), `sluice-log-copy-${process.pid}`);
  const data = nats.dataDirectory;
  try {
    const before = await connectProducer({ servers: stack.natsUrl });
    const { handle } = await before.createStream({ streamId: "s" });
    await handle.sendText("kept");
    await nats.kill();
    cpSync(data, copy, { recursive: true });
    await nats.restart();
    await handle.sendText("lost");
    const reader = new VerifyingReader({ edgeUrl: () => stack.edgeUrl, streamId: "s" });
    const reading = reader.run();
    await expect.poll(() => reader.lastSequence, { timeout: 20_000 }).toBe(2);

    await nats.kill();
    await before.close();
    rmSync(data, { recursive: true });
    cpSync(copy, data, { recursive: true });
    await nats.restart();
    await using after = await connectProducer({ servers: stack.natsUrl });
    const successor = await after.openStream("s");
    await successor.sendText("new");
    await successor.sendComplete(null);
    await reading;

    const told = reader.data.map((chunk) => JSON.parse(chunk) as ToldChunk);
    expect(told.map((chunk) => chunk.chunk_type.content)).toEqual(["kept", "lost", "new", undefined]);
    const [, , jumped, last] = told.map((chunk) => chunk.sequence);
    expect(reader.gaps).toEqual([{ from: 3, to: jumped! - 1 }]);
    expect(last).toBe(jumped! + 1);
    expect(reader.problems).toEqual([]);
    const divergences = await Promise.all(
      ["ingest-1", "ingest-2"].map((name) =>
        gaugeOf(stack.service(name).url, "sluice_ingest_divergences_total"),
      ),
    );
    expect(divergences[0]! + divergences[1]!).toBeGreaterThan(0);

    // Who comes later reads what the log still has under the very numbers that it was told under before.
    const late = new VerifyingReader({ edgeUrl: () => stack.edgeUrl, streamId: "s" });
    await late.run();
    const known = new Map(told.map((chunk) => [chunk.sequence, chunk.chunk_type.content]));
    for (const data of late.data) {
      const chunk = JSON.parse(data) as ToldChunk;
      expect(known.get(chunk.sequence)).toBe(chunk.chunk_type.content);
    }
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}, 120_000);
