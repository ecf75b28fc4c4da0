import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SluiceError } from "./sluice-error.ts";
import { createSseReader, type Frame } from "./sse.ts";

function framesOf(pieces: Iterable<Uint8Array>): Frame[] {
  const frames: Frame[] = [];
  const feed = createSseReader(
    (frame) => frames.push(frame),
    () => {},
  );
  for (const piece of pieces) feed(piece);
  return frames;
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

const FRAMES: Frame[] = [
  { id: "1", name: "text", data: { content: "žluť 🐎" } },
  { id: "2", name: null, data: null },
  { id: null, name: "heartbeat", data: {} },
  { id: "3", name: null, data: null },
];

function wireOf(frames: readonly Frame[]): string {
  const wire = frames.map(({ id, name, data }) => {
    const lines = [id && `id: ${id}`, name && `event: ${name}`, data && `data: ${JSON.stringify(data)}`];
    return `: comment\n${lines.filter(Boolean).join("\n")}\n\n`;
  });
  return wire.join("");
}

describe("an event stream", () => {
  test("gives the same frames wherever its bytes are cut and however its lines end", () => {
    const cuts = fc.array(fc.nat(300), { maxLength: 12 });
    fc.assert(
      fc.property(cuts, fc.constantFrom("\n", "\r\n", "\r"), (at, newline) => {
        const bytes = bytesOf(wireOf(FRAMES).replaceAll("\n", newline));
        const ends = [...at.sort((left, right) => left - right), bytes.byteLength];
        const pieces = ends.map((end, index) => bytes.slice(ends[index - 1] ?? 0, end));
        expect(framesOf(pieces)).toEqual(FRAMES);
      }),
    );
  });

  test("gives an id that stands alone before the event after it, though that has none", () => {
    const frames = framesOf([bytesOf(wireOf(FRAMES))]);
    expect(frames.map(({ id, name }) => id ?? name)).toEqual(["1", "2", "heartbeat", "3"]);
  });

  test("gives no frame that wasn't finished", () => {
    expect(framesOf([bytesOf("id: 1\nevent: text\ndata: {}\n")])).toEqual([]);
  });

  test("gives data that is no JSON object as none", () => {
    const wire = "id: 1\nevent: text\ndata: {\n\nid: 2\nevent: text\ndata: 7\n\n";
    expect(framesOf([bytesOf(wire)]).map(({ data }) => data)).toEqual([null, null]);
  });

  test("takes a frame of a megabyte, drops comments of any length, and refuses a frame that no edge sends", () => {
    const piece = "x".repeat(1024 * 1024);
    const large = bytesOf(`: ${piece.repeat(12)}\n\nid: 1\ndata: {"a":"${piece}"}\n\n`);
    expect(framesOf([large])).toHaveLength(1);
    const feed = createSseReader(
      () => {},
      () => {},
    );
    feed(bytesOf("data: "));
    expect(() => {
      for (let count = 0; count < 9; count++) feed(bytesOf(piece));
    }).toThrow(SluiceError);
  });
});
