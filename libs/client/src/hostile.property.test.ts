import {
  chunkFrame,
  startHostileEdge,
  startHostileSharedEdge,
  type ChangeTreatment,
  type HostileEdge,
  type HostileFrame,
  type HostileSharedEdge,
  type SharedTreatment,
  type Treatment,
} from "@sluice/testing";
import * as fc from "fast-check";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { createClient, type Gap, type Stream, type StreamChunk } from "./index.ts";

// A run that never ends is a failure, and so must be told before the test itself is given up.
const RUNS = { numRuns: 200, interruptAfterTimeLimit: 50_000, markInterruptAsFailure: true };

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

function framesOf(all: readonly Part[], id = "s"): HostileFrame[] {
  const frames: HostileFrame[] = [];
  let next = 1;
  for (const part of all) {
    if ("lost" in part) {
      const to = next + part.lost - 1;
      const data = JSON.stringify({ stream_id: id, from: next, to, reason: "expired" });
      frames.push({ from: next, to, text: `id: ${to}\nevent: gap\ndata: ${data}\n\n` });
    } else if ("text" in part) {
      frames.push(chunkFrame(next, { type: "Text", content: part.text }, { stream_id: id }));
    } else {
      frames.push({ from: next, to: next, text: `id: ${next}\n\n` });
    }
    next = (frames.at(-1)?.to ?? 0) + 1;
  }
  frames.push(chunkFrame(next, { type: "Complete", summary: null }, { stream_id: id }));
  return frames;
}

const newline = fc.constantFrom("\n" as const, "\r\n" as const, "\r" as const);
const pieceBytes = fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 10, max: 5_000 }));
const cutAfterBytes = fc.oneof(fc.nat(2_000), fc.nat(200_000));
const sequences = fc.array(fc.integer({ min: 1, max: 25 }), { maxLength: 3 });
/** What may happen to the frames of any answer. */
const frameFaults = { newline, pieceBytes, cutAfterBytes, doubled: sequences, skipped: sequences };
const failing = fc.record({ status: fc.constantFrom(500, 502, 503, 429, 408) });

const treatments: fc.Arbitrary<Treatment[]> = fc
  .array(
    fc.oneof(
      { weight: 1, arbitrary: failing },
      {
        weight: 5,
        arbitrary: fc.record(
          {
            isRedirected: fc.boolean(),
            isGzipped: fc.boolean(),
            comment: fc.constantFrom("heartbeat", "data: x", "c".repeat(100_000), ""),
            ...frameFaults,
          },
          { requiredKeys: [] },
        ),
      },
    ),
    { maxLength: 6 },
  )
  .map(skippingAtMostThrice);

/** What is left out a fourth time is given up. */
function skippingAtMostThrice<Each extends object>(faults: Each[]): Each[] {
  return faults.map((fault, index) => (index < 3 ? fault : { ...fault, skipped: [] }));
}

let edge: HostileEdge;
let sharedEdge: HostileSharedEdge;

beforeAll(async () => {
  [edge, sharedEdge] = await Promise.all([startHostileEdge(), startHostileSharedEdge()]);
  // No jitter: the server says when to come again, and it says at once.
  vi.spyOn(Math, "random").mockReturnValue(1);
});

afterAll(async () => {
  vi.restoreAllMocks();
  await Promise.all([edge[Symbol.asyncDispose](), sharedEdge[Symbol.asyncDispose]()]);
});

/** What was seen, in order: `3 text`, `4-6 gap`. */
async function read(frames: readonly HostileFrame[], faults: Treatment[]): Promise<string[]> {
  edge.frames = frames;
  edge.treatments = [...faults];
  const seen: string[] = [];
  await follow(createClient({ edgeUrl: edge.url }).stream("s"), seen);
  return seen;
}

/** Until it has ended or was closed. */
function follow(stream: Stream, seen: string[]): Promise<void> {
  stream.on("chunk", (chunk) => seen.push(seenOf(chunk)));
  stream.on("gap", (gap) => seen.push(gapOf(gap)));
  return new Promise<void>((resolve, reject) => {
    stream.on("error", reject);
    stream.on("state", (state) => {
      if (state === "ended" || state === "closed") resolve();
    });
  });
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
    RUNS,
  );
}, 60_000);

/** One stream among others. It is joined, and may be left and taken up again, after so many turns of the event loop. */
interface Visit {
  all: Part[];
  joinsAfter: number;
  leavesAfter: number | null;
}

const visits: fc.Arbitrary<Visit[]> = fc.array(
  fc.record({
    all: parts,
    joinsAfter: fc.oneof(fc.constant(0), fc.nat(60)),
    leavesAfter: fc.option(fc.nat(60)),
  }),
  { minLength: 1, maxLength: 5 },
);

const sharedTreatments: fc.Arbitrary<SharedTreatment[]> = fc
  .array(
    fc.oneof(
      { weight: 1, arbitrary: failing },
      { weight: 1, arbitrary: fc.constant({ refusesMany: true }) },
      {
        weight: 6,
        arbitrary: fc.record(
          {
            comment: fc.constantFrom("heartbeat", "data: x", "c".repeat(10_000), ""),
            ...frameFaults,
          },
          { requiredKeys: [] },
        ),
      },
    ),
    { maxLength: 6 },
  )
  .map(skippingAtMostThrice);

const changes: fc.Arbitrary<ChangeTreatment[]> = fc.array(
  fc.constantFrom("done" as const, "refused" as const, "unanswered" as const),
  { maxLength: 6 },
);

/** None of them ends before each has got all but its end: what was lost must not wait for the others to end. */
async function readShared(all: readonly Visit[]): Promise<string[][]> {
  const client = createClient({ edgeUrl: sharedEdge.url, share: true });
  const ended: Promise<void>[] = [];
  const visit = async ({ joinsAfter, leavesAfter }: Visit, index: number): Promise<string[]> => {
    const id = idOf(index);
    const seen: string[] = [];
    await turns(joinsAfter);
    let stream = client.stream(id);
    let isOver = follow(stream, seen);
    if (leavesAfter !== null) {
      await turns(leavesAfter);
      stream.close();
      stream = client.stream(id, { from: (stream.cursor ?? 0) + 1 });
      isOver = follow(stream, seen);
    }
    ended.push(isOver);
    return seen;
  };
  sharedEdge.holdEnds();
  const seen = await Promise.all(all.map(visit));
  const isAllThere = (): boolean =>
    seen.every((each, index) => each.length >= expectedOf(all[index]!.all).length - 1);
  await vi.waitUntil(isAllThere, { timeout: 20_000, interval: 1 });
  sharedEdge.letEnd();
  await Promise.all(ended);
  return seen;
}

const idOf = (index: number): string => `s${index}`;

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await nextTurn();
}

test("the same holds for streams that share connections, while they join and leave and that fails as well", async () => {
  await fc.assert(
    fc.asyncProperty(visits, sharedTreatments, changes, async (all, faults, changed) => {
      sharedEdge.streams = new Map(
        all.map(({ all: each }, index) => [idOf(index), framesOf(each, idOf(index))]),
      );
      sharedEdge.treatments = [...faults];
      sharedEdge.changes = [...changed];
      expect(await readShared(all)).toEqual(all.map(({ all: each }) => expectedOf(each)));
      await vi.waitUntil(() => sharedEdge.open === 0, { timeout: 10_000, interval: 1 });
    }),
    RUNS,
  );
  // It isn't that they all joined at once.
  expect(sharedEdge.changed).toBeGreaterThan(0);
}, 60_000);
