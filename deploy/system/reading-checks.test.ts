import type { VerifyingReader } from "@sluice/testing";
import { describe, expect, it } from "vitest";
import { differences } from "./reading-checks.ts";
import { WrittenStream, type SendOutcome } from "./written-stream.ts";

/** Writes chunks with these outcomes and then the end. */
async function written(...outcomes: SendOutcome[]): Promise<WrittenStream> {
  let sent = 0;
  const stream = new WrittenStream("s", {
    send: () => Promise.resolve({ outcome: outcomes[sent++] ?? "acknowledged", sequence: null }),
  });
  await stream.write(outcomes.length);
  await stream.end();
  return stream;
}

/** Reads the chunks at these places of what was sent. */
function reading(stream: WrittenStream, places: readonly number[], change: Partial<VerifyingReader> = {}) {
  const data = places.map((place, index) => {
    const chunkType = { type: "Text", content: stream.sent[place]?.content };
    return JSON.stringify({ sequence: index + 1, chunk_type: chunkType });
  });
  const reader = {
    data,
    problems: [],
    gaps: [],
    endedWith: "complete",
    ...change,
  } as unknown as VerifyingReader;
  return { stream, reader, after: 0 };
}

describe("differences between what was written and what was read", () => {
  it("are none where all acknowledged chunks were read in order, with or without a doubtful one, without the refused", async () => {
    const stream = await written("acknowledged", "doubtful", "refused", "acknowledged");
    expect(differences([stream], [reading(stream, [0, 3, 4])])).toEqual([]);
    expect(differences([stream], [reading(stream, [0, 1, 3, 4])])).toEqual([]);
  });

  it("are a lost chunk, a double one, a wrong order, a refused one that was stored, and a missing end", async () => {
    const stream = await written("acknowledged", "acknowledged", "refused");
    for (const places of [
      [1, 3],
      [0, 0, 1, 3],
      [1, 0, 3],
      [0, 1, 2, 3],
      [0, 1],
    ]) {
      expect(differences([stream], [reading(stream, places)]), String(places)).not.toEqual([]);
    }
  });

  it("are another number than the producer was told, a hole in the numbers, and other bytes for a later reader", async () => {
    const stream = await written("acknowledged");
    const good = reading(stream, [0, 1]);
    const other = reading(stream, [0, 1], { data: [good.reader.data[0] ?? "", "{}"] });
    expect(differences([stream], [good, other])).not.toEqual([]);
    expect(differences([stream], [good, { ...good, after: 1 }])).not.toEqual([]);
    stream.sent[0]!.sequence = 2;
    expect(differences([stream], [good])).not.toEqual([]);
  });

  it("are whatever the reader noted, a gap, another end, and a stream that nobody read", async () => {
    const stream = await written("acknowledged");
    for (const change of [{ problems: ["x"] }, { gaps: [{ from: 1, to: 2 }] }, { endedWith: "error" }]) {
      expect(differences([stream], [reading(stream, [0, 1], change)])).not.toEqual([]);
    }
    expect(differences([stream], [])).not.toEqual([]);
  });
});
