import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { EndStatus } from "./chunk.ts";
import type { LogElement, LogEntry } from "./log-entry.ts";
import { jumpSequence, MAX_ELEMENTS_PER_MESSAGE, numberEntry, type StreamHead } from "./sequencing.ts";

const text: LogElement = { kind: "chunk", body: "", endStatus: null, cacheTtlSeconds: null };
const refused: LogElement = { kind: "rejected", reason: "malformed" };
const ending = (endStatus: EndStatus): LogElement => ({
  kind: "chunk",
  body: "",
  endStatus,
  cacheTtlSeconds: null,
});

const entry = (brokerSequence: number, elements: LogElement[], more: Partial<LogEntry> = {}): LogEntry => ({
  streamId: "s",
  brokerSequence,
  timestampMs: 0,
  firstSequence: null,
  isTombstone: false,
  options: null,
  beatIntervalMs: null,
  elements,
  ...more,
});
const open = (sequence: number, brokerSequence: number): StreamHead => ({
  sequence,
  brokerSequence,
  status: "open",
});

/** All elements of a stream in one list, up to and including the first that ends it: a chunk's number is its position. */
function positions(messages: readonly (readonly LogElement[])[]): Map<LogElement, number> {
  const flat = messages.flat();
  const end = flat.findIndex((element) => element.kind === "chunk" && element.endStatus !== null);
  return new Map(
    flat.slice(0, end < 0 ? flat.length : end + 1).map((element, index) => [element, index + 1]),
  );
}

const element = fc.oneof(
  { weight: 8, arbitrary: fc.constant(text) },
  { weight: 3, arbitrary: fc.constant(refused) },
  { weight: 1, arbitrary: fc.constantFrom<EndStatus>("completed", "errored", "cancelled").map(ending) },
);
/** Each element is an object of its own, so that it can be told from its equals. */
const messages = fc
  .array(fc.array(element, { maxLength: 5 }), { maxLength: 12 })
  .map((messages) => messages.map((elements) => elements.map((element) => ({ ...element }))));

describe("numberEntry", () => {
  it("gives each element its position in the stream, wherever the message boundaries are", () => {
    fc.assert(
      fc.property(messages, (messages) => {
        const expected = positions(messages);
        const actual = new Map<LogElement, number>();
        let head: StreamHead | null = open(0, 0);
        for (const [index, elements] of messages.entries()) {
          const numbering = numberEntry(head, entry(index + 1, elements));
          if (numbering.kind !== "numbered") throw new Error(`message ${index + 1} is ${numbering.kind}`);
          for (const [offset, element] of elements.slice(0, numbering.count).entries()) {
            actual.set(element, numbering.first + offset);
          }
          head = numbering.head;
        }
        expect([...actual]).toEqual([...expected]);
        expect(head).toMatchObject({ sequence: expected.size, brokerSequence: messages.length });
      }),
      { numRuns: 2_000 },
    );
  });

  it("gives the same numbers where a later software version accepts what an earlier one refused", () => {
    fc.assert(
      fc.property(messages, (messages) => {
        const later = messages.map((elements) =>
          elements.map((one) => (one.kind === "rejected" ? text : one)),
        );
        const numbers = (version: readonly LogElement[][]): unknown[] => {
          let head: StreamHead = open(0, 0);
          return version.map((elements, index) => {
            const numbering = numberEntry(head, entry(index + 1, elements));
            if (numbering.kind === "numbered") head = numbering.head;
            return numbering;
          });
        };
        expect(numbers(later)).toEqual(numbers(messages));
      }),
    );
  });

  it("skips a message that the head covers already, also one that would end the stream", () => {
    expect(numberEntry(open(4, 10), entry(10, [ending("completed")]))).toEqual({ kind: "duplicate" });
    expect(numberEntry(open(4, 10), entry(9, [text], { isTombstone: true }))).toEqual({ kind: "duplicate" });
  });

  it("gives no number without a head, unless the message proves its own", () => {
    expect(numberEntry(null, entry(10, [text]))).toEqual({ kind: "unproven" });
    expect(numberEntry(null, entry(10, [text, text], { firstSequence: 7 }))).toEqual({
      kind: "numbered",
      first: 7,
      count: 2,
      head: open(8, 10),
    });
  });

  it("adopts a carried number above the next one, because the record lost what is between", () => {
    expect(numberEntry(open(3, 10), entry(11, [text], { firstSequence: 9 }))).toMatchObject({
      first: 9,
      head: open(9, 11),
    });
  });

  it("ignores a carried number below the next one: what was given out is never given again", () => {
    expect(numberEntry(open(3, 10), entry(11, [text], { firstSequence: 2 }))).toMatchObject({
      first: 4,
      head: open(4, 11),
    });
  });

  it("creates a stream at 0 with an empty message", () => {
    expect(numberEntry(null, entry(10, [], { firstSequence: 1 }))).toEqual({
      kind: "numbered",
      first: 1,
      count: 0,
      head: open(0, 10),
    });
  });

  it("numbers nothing after the end, in the same message or later ones, but remembers having seen it", () => {
    const atEnd = numberEntry(open(3, 10), entry(11, [text, ending("errored"), text, ending("completed")]));
    const head: StreamHead = { sequence: 5, brokerSequence: 11, status: "errored" };
    expect(atEnd).toEqual({ kind: "numbered", first: 4, count: 2, head });
    const after = numberEntry(head, entry(12, [text], { firstSequence: 6 }));
    expect(after).toEqual({ kind: "numbered", first: 6, count: 0, head: { ...head, brokerSequence: 12 } });
  });

  it("lets a tombstone take one number and end the stream as deleted, however it stood before", () => {
    const tombstone = entry(11, [], { isTombstone: true });
    for (const status of ["open", "completed", "errored", "cancelled"] as const) {
      expect(numberEntry({ sequence: 3, brokerSequence: 10, status }, tombstone)).toEqual({
        kind: "numbered",
        first: 4,
        count: 1,
        head: { sequence: 4, brokerSequence: 11, status: "deleted" },
      });
    }
    expect(numberEntry(null, { ...tombstone, firstSequence: 8 })).toMatchObject({
      first: 8,
      head: { sequence: 8 },
    });
  });

  it("takes a second tombstone for what comes after the end", () => {
    const deleted: StreamHead = { sequence: 4, brokerSequence: 11, status: "deleted" };
    expect(numberEntry(deleted, entry(12, [], { isTombstone: true }))).toEqual({
      kind: "numbered",
      first: 5,
      count: 0,
      head: { ...deleted, brokerSequence: 12 },
    });
  });
});

describe("jumpSequence", () => {
  // A log starts at its creation time in ms, about 2^41.
  const brokerSequence = fc.integer({ min: 1, max: 2 ** 43 - 1_002 });

  it("is above every number that earlier messages can have, also after an earlier jump", () => {
    fc.assert(
      fc.property(brokerSequence, fc.integer({ min: 1, max: 1_000 }), (earlier, messagesLater) => {
        const later = earlier + messagesLater;
        const highest = jumpSequence(earlier) + MAX_ELEMENTS_PER_MESSAGE * messagesLater - 1;
        expect(jumpSequence(later)).toBeGreaterThan(highest);
        expect(jumpSequence(earlier)).toBeGreaterThan(MAX_ELEMENTS_PER_MESSAGE * (earlier - 1));
      }),
    );
  });

  it("is exact in a double and written without exponent", () => {
    fc.assert(
      fc.property(brokerSequence, (brokerSequence) => {
        const jump = jumpSequence(brokerSequence);
        expect(Number.isSafeInteger(jump + MAX_ELEMENTS_PER_MESSAGE)).toBe(true);
        expect(String(jump)).toBe(String(BigInt(brokerSequence) * 1024n));
      }),
    );
  });
});
