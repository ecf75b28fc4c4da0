import { chunkFrame } from "@sluice/testing";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { createClient } from "./index.ts";

const CHUNKS = 100_000;
const FRAMES_A_PIECE = 200;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

function heapAfterCollection(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

/** An answer that is made as it is read. */
async function fetchStream(): Promise<Response> {
  let sequence = 0;
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      let frames = "";
      for (let count = 0; count < FRAMES_A_PIECE && sequence < CHUNKS; count++)
        frames += chunkFrame(++sequence, { type: "Text", content: "some words " }).text;
      if (sequence === CHUNKS) frames += chunkFrame(++sequence, { type: "Complete", summary: null }).text;
      controller.enqueue(encoder.encode(frames));
      if (sequence > CHUNKS) controller.close();
    },
  });
  return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
}

test("a stream of 100,000 chunks takes no more memory than one of 10,000", async () => {
  const client = createClient({ edgeUrl: "http://edge", fetch: fetchStream });
  const heap: number[] = [];
  let count = 0;
  for await (const { sequence } of client.stream("s")) {
    if (sequence === CHUNKS / 10 || sequence === CHUNKS) heap.push(heapAfterCollection());
    count++;
  }
  expect(count).toBe(CHUNKS + 1);
  expect((heap[1] ?? 0) - (heap[0] ?? 0)).toBeLessThan(1_000_000);
}, 30_000);
