import {
  chunkFrame,
  startHostileEdge,
  type HostileEdge,
  type HostileFrame,
  type Treatment,
} from "@sluice/testing";
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { createClient, type Gap, type StreamChunk } from "./index.ts";

/** One frame of a stream: a text, a refused element, or a range that can't be had any more. */
type Part = { text: string } | { isRejected: true } | { lost: number };

const parts: fc.Arbitrary<Part[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ text: fc.string({ unit: "grapheme", maxLength: 12 }) }) },
    { weight: 1, arbitrary: fc.constant({ text: "å".repeat(20_000) }) },
    { weight: 1, arbitrary: fc.constant({ isRejected: true as const }) },
    { weight: 1, arbitrary: fc.record({ lost: fc.integer({ min: 1, max: 5 }) }) },
  ),
  { maxLength: 20 },
);

function framesOf(all: readonly Part[]): HostileFrame[] {
  const frames: HostileFrame[] = [];
  let next = 1;
  for (const part of all) {
    if ("lost" in part) {
      const to = next + part.lost - 1;
      const data = JSON.stringify({ stream_id: "s", from: next, to, reason: "expired" });
      frames.push({ from: next, to, text: `id: ${to}\nevent: gap\ndata: ${data}\n\n` });
    } else if ("text" in part) {
      frames.push(chunkFrame(next, { type: "Text", content: part.text }));
    } else {
      frames.push({ from: next, to: next, text: `id: ${next}\n\n` });
    }
    next = (frames.at(-1)?.to ?? 0) + 1;
  }
  frames.push(chunkFrame(next, { type: "Complete", summary: null }));
  return frames;
}

const sequences = fc.array(fc.integer({ min: 1, max: 25 }), { maxLength: 3 });
const treatments: fc.Arbitrary<Treatment[]> = fc.array(
  fc.oneof(
    { weight: 1, arbitrary: fc.record({ status: fc.constantFrom(500, 502, 503, 429, 408) }) },
    {
      weight: 5,
      arbitrary: fc.record(
        {
          isRedirected: fc.boolean(),
          isGzipped: fc.boolean(),
          newline: fc.constantFrom("\n" as const, "\r\n" as const, "\r" as const),
          comment: fc.constantFrom("heartbeat", "data: x", "c".repeat(100_000), ""),
          pieceBytes: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 10, max: 5_000 })),
          cutAfterBytes: fc.oneof(fc.nat(2_000), fc.nat(200_000)),
          doubled: sequences,
          skipped: sequences,
        },
        { requiredKeys: [] },
      ),
    },
  ),
  { maxLength: 6 },
);

let edge: HostileEdge;

beforeAll(async () => {
  edge = await startHostileEdge();
  // No jitter: the server says when to come again, and it says at once.
  vi.spyOn(Math, "random").mockReturnValue(0);
});

afterAll(async () => {
  vi.restoreAllMocks();
  await edge[Symbol.asyncDispose]();
});

/** What was seen, in order: `3 text`, `4-6 gap`. */
async function read(frames: readonly HostileFrame[], faults: Treatment[]): Promise<string[]> {
  edge.frames = frames;
  edge.treatments = [...faults];
  const seen: string[] = [];
  const stream = createClient({ edgeUrl: edge.url }).stream("s");
  stream.on("chunk", (chunk) => seen.push(seenOf(chunk)));
  stream.on("gap", (gap) => seen.push(gapOf(gap)));
  await new Promise<void>((resolve) => stream.on("end", () => resolve()));
  return seen;
}

function seenOf({ sequence, chunk_type: type }: StreamChunk): string {
  return `${sequence} ${type.type === "Text" ? type.content : type.type}`;
}

const gapOf = (gap: Gap): string => (gap.reset === true ? "reset" : `${gap.from}-${gap.to} ${gap.reason}`);

const expectedOf = (all: readonly Part[]): string[] => {
  let next = 1;
  const seen: string[] = [];
  for (const part of all) {
    if ("lost" in part) seen.push(`${next}-${next + part.lost - 1} expired`);
    else if ("text" in part) seen.push(`${next} ${part.text}`);
    next += "lost" in part ? part.lost : 1;
  }
  return [...seen, `${next} Complete`];
};

test("whatever lies between, each sequence is seen once, in order, or a gap", async () => {
  await fc.assert(
    fc.asyncProperty(parts, treatments, async (all, faults) => {
      expect(await read(framesOf(all), faults)).toEqual(expectedOf(all));
    }),
    { numRuns: 60 },
  );
}, 60_000);
