import type { LogElement, StoredMessage } from "@sluice/core";
import * as fc from "fast-check";
import { bareMessage } from "@sluice/testing";
import { describe, expect, it } from "vitest";
import { chunkJsonHead } from "./chunk-json.ts";
import { decodeMessage } from "./message-decoder.ts";

const MAX_BYTES = 1_000;

const message = (payload: string | Uint8Array, more: Partial<StoredMessage> = {}): StoredMessage =>
  bareMessage(payload, { brokerSequence: 5, timestampMs: 1_700_000_000_000, ...more });
const decode = (payload: string | Uint8Array): readonly LogElement[] =>
  decodeMessage(message(payload), MAX_BYTES).elements;
const chunkOf = (element: LogElement | undefined): Record<string, unknown> => {
  if (element?.kind !== "chunk") throw new Error(`not a chunk: ${JSON.stringify(element)}`);
  return JSON.parse(chunkJsonHead("s", 1) + element.body) as Record<string, unknown>;
};
const reasonOf = (element: LogElement | undefined): string => {
  if (element?.kind !== "rejected") throw new Error(`not rejected: ${JSON.stringify(element)}`);
  return element.reason;
};

describe("decodeMessage", () => {
  it("takes a bare chunk type for a draft, and fills in what is missing", () => {
    expect(chunkOf(decode('{"content":"hi","type":"Text"}')[0])).toEqual({
      stream_id: "s",
      sequence: 1,
      chunk_type: { type: "Text", content: "hi" },
      data: null,
      metadata: {
        source: "unknown",
        content_type: "application/json",
        compression: null,
        cache_ttl: null,
        custom: {},
      },
      timestamp: 1_700_000_000_000,
    });
  });

  it("writes what other languages take for line breaks as escapes, wherever it stands, and the value is the same", () => {
    const breaks = "\u0085\u2028\u2029";
    const draft = {
      chunk_type: { type: "Event", event_type: breaks, payload: { [`key${breaks}`]: `\\${breaks}\n` } },
      data: [breaks],
      metadata: { source: breaks, custom: { [breaks]: breaks } },
    };
    const [element] = decode(JSON.stringify(draft));
    if (element?.kind !== "chunk") throw new Error("not a chunk");
    expect(element.body).not.toMatch(/[\u0085\u2028\u2029]/);
    expect(element.body).toContain("\\u0085\\u2028\\u2029");
    expect(chunkOf(element)).toMatchObject(draft);
    const [end] = decode(JSON.stringify({ type: "Error", error: breaks, code: 7 }));
    expect(end?.kind === "chunk" && /[\u0085\u2028\u2029]/.test(end.body)).toBe(false);
  });

  it("takes a message with options above 4 KiB as one without", () => {
    const options = (size: number): string => `{"custom":{"a":"${"x".repeat(size - 17)}"}}`.slice(0, size);
    const kept = (text: string): string | null =>
      decodeMessage(message("[]", { options: text }), MAX_BYTES).options;
    expect(kept(options(4_096))).toHaveLength(4_096);
    expect(kept(options(4_097))).toBeNull();
    expect(kept(`{"custom":{"a":"${"\u20AC".repeat(1_400)}"}}`)).toBeNull();
  });

  it("refuses numbers beyond a double, which would become null", () => {
    for (const data of ["1e400", "-1e309", "[1,1e400]", '{"a":{"b":1e999}}']) {
      const [json, event, beside] = decode(
        `[{"type":"Json","data":${data}},{"type":"Event","event_type":"e","payload":${data}},
          {"chunk_type":{"type":"Text","content":"x"},"data":${data}}]`,
      );
      expect([json, event, beside].map(reasonOf).join()).toMatch(/(beyond the range of a double.*){3}/s);
    }
  });

  it("keeps what a draft states, and reads its cache_ttl", () => {
    const draft = {
      timestamp: 12,
      metadata: { source: "gpt", cache_ttl: 60, custom: { a: "b" } },
      data: { x: [1, null] },
      chunk_type: { type: "Event", event_type: "task", payload: false },
    };
    const element = decode(JSON.stringify(draft))[0];
    expect(element).toMatchObject({ kind: "chunk", endStatus: null, cacheTtlSeconds: 60 });
    expect(chunkOf(element)).toMatchObject({
      chunk_type: draft.chunk_type,
      data: draft.data,
      metadata: { source: "gpt", content_type: "application/json", cache_ttl: 60, custom: { a: "b" } },
      timestamp: 12,
    });
  });

  it("makes the same bytes of the same message, whenever and however often", () => {
    const stored = message('[{"type":"Progress","current":1},{"type":"Text","content":"é"}]');
    expect(decodeMessage(stored, MAX_BYTES)).toEqual(decodeMessage(structuredClone(stored), MAX_BYTES));
  });

  it("lets a message prove its first number by its own statement, or by having demanded an empty subject", () => {
    const first = (more: Partial<StoredMessage>): number | null =>
      decodeMessage(message("[]", more), MAX_BYTES).firstSequence;
    expect(first({ producerSequence: 7, expectedLastSequence: 0 })).toBe(7);
    expect(first({ expectedLastSequence: 0 })).toBe(1);
    expect(first({ expectedLastSequence: 12 })).toBeNull();
    expect(first({})).toBeNull();
  });

  it("takes an array apart: none, one, 1,024 elements, and one rejected for more", () => {
    const array = (count: number): string =>
      `[${Array.from({ length: count }, () => '{"type":"Text","content":""}').join()}]`;
    expect(decodeMessage(message(array(0)), Infinity).elements).toEqual([]);
    expect(decodeMessage(message(array(1)), Infinity).elements).toHaveLength(1);
    expect(decodeMessage(message(array(1024)), Infinity).elements.map(({ kind }) => kind)).not.toContain(
      "rejected",
    );
    const tooMany = decodeMessage(message(array(1025)), Infinity).elements;
    expect(tooMany).toHaveLength(1);
    expect(reasonOf(tooMany[0])).toContain("1025 elements");
  });

  it("gives a payload that is no JSON in UTF-8 one place", () => {
    for (const payload of [
      "",
      "{",
      "nonsense",
      '{"type":"Text","content":"a"} {}',
      Buffer.from([0x22, 0xff, 0x22]),
    ]) {
      const elements = decode(payload);
      expect(elements).toHaveLength(1);
      expect(reasonOf(elements[0])).toContain("payload is not JSON in UTF-8");
    }
  });

  it("rejects an element of an array without harm to its neighbours", () => {
    const kinds = decode(
      '[{"type":"Text","content":"a"},[],5,null,"x",{},{"type":"Text","content":"b"}]',
    ).map(({ kind }) => kind);
    expect(kinds).toEqual(["chunk", "rejected", "rejected", "rejected", "rejected", "rejected", "chunk"]);
  });

  it("names the field that is wrong", () => {
    const reasons = {
      '{"type":"Txt"}': /^type: /,
      '{"type":"Text"}': /^content: /,
      '{"type":"Json"}': /^data: is required/,
      '{"type":"Text","content":"","cache_ttl":1}': /^cache_ttl: /,
      '{"chunk_type":5}': /^chunk_type: /,
      '{"chunk_type":{"type":"Text","content":1}}': /^chunk_type\.content: /,
      '{"chunk_type":{"type":"Text","content":""},"sequence":1}': /^sequence: /,
      '{"chunk_type":{"type":"Text","content":""},"timestamp":1.5}': /^timestamp: /,
      '{"chunk_type":{"type":"Text","content":""},"metadata":{"custom":{"a":1}}}': /^metadata\.custom\.a: /,
      '{"chunk_type":{"type":"Text","content":""},"metadata":{"cache_ttl":86401}}': /^metadata\.cache_ttl: /,
    };
    for (const [payload, reason] of Object.entries(reasons))
      expect(reasonOf(decode(payload)[0]), payload).toMatch(reason);
  });

  it("refuses __proto__ as a field or a label and keeps it in the data, where it is a key like any other", () => {
    const text = '"chunk_type":{"type":"Text","content":""}';
    expect(reasonOf(decode(`{${text},"__proto__":{}}`)[0])).toContain("__proto__");
    expect(reasonOf(decode(`{${text},"metadata":{"__proto__":{}}}`)[0])).toContain("metadata.__proto__");
    expect(reasonOf(decode(`{${text},"metadata":{"custom":{"__proto__":"x"}}}`)[0])).toMatch(
      /^metadata\.custom: .*__proto__/,
    );
    const element = decode('{"type":"Json","data":{"__proto__":{"a":1}}}')[0];
    expect(JSON.stringify(chunkOf(element)["chunk_type"])).toBe(
      '{"type":"Json","data":{"__proto__":{"a":1}}}',
    );
  });

  it("takes free JSON of 96 levels and rejects one more, so that no reader's parser is asked for 100", () => {
    const nested = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);
    for (const [before, after] of [
      ['{"type":"Json","data":', "}"],
      ['{"type":"Event","event_type":"e","payload":', "}"],
      ['{"chunk_type":{"type":"Text","content":""},"data":', "}"],
    ]) {
      const elements = decode(`[${before}${nested(96)}${after},${before}${nested(97)}${after}]`);
      expect(elements.map(({ kind }) => kind)).toEqual(["chunk", "rejected"]);
      expect(reasonOf(elements[1])).toContain("is nested more than 96 levels deep");
    }
  });

  it("survives nesting of any depth, wherever it stands", () => {
    const deep = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;
    for (const element of [
      `{"type":"Json","data":${deep}}`,
      `{"type":"Text","content":"","other":${deep}}`,
      deep,
    ]) {
      for (const maxBytes of [MAX_BYTES, Infinity]) {
        const payload = message(`[${element},{"type":"Text","content":""}]`);
        const kinds = decodeMessage(payload, maxBytes).elements.map(({ kind }) => kind);
        expect(kinds).toEqual(["rejected", "chunk"]);
      }
    }
  });

  it("rejects a chunk above the limit by its own size, not that of its message", () => {
    const text = (length: number): string => JSON.stringify({ type: "Text", content: "x".repeat(length) });
    const frame = text(0).length;
    const kinds = decode(`[${text(MAX_BYTES - frame)},${text(MAX_BYTES - frame + 1)}]`).map(
      ({ kind }) => kind,
    );
    expect(kinds).toEqual(["chunk", "rejected"]);
  });

  it("measures a chunk as it will travel, also where that is longer than it came", () => {
    const payload = `{"type":"Json","data":[${Array.from({ length: 100 }, () => "1e20").join()}]}`;
    expect(payload.length).toBeLessThan(MAX_BYTES);
    expect(reasonOf(decode(payload)[0])).toBe("chunk has 2224 bytes, at most 1000 are allowed");
  });

  it("gives heartbeats no place, not even malformed or too large ones", () => {
    const large = JSON.stringify({ type: "Heartbeat", pad: "x".repeat(MAX_BYTES) });
    const payload = `[{"type":"Heartbeat"},{"chunk_type":{"type":"Heartbeat"},"extra":1},${large},{"type":"Text","content":""}]`;
    expect(decode(payload).map(({ kind }) => kind)).toEqual(["chunk"]);
    expect(decode('{"chunk_type":{"type":"Heartbeat"},"timestamp":-1}')).toEqual([]);
  });

  it("keeps the last heartbeat of a message aside, if it is valid", () => {
    const heartbeatOf = (payload: string): string | undefined =>
      decodeMessage(message(payload), MAX_BYTES).heartbeat;
    const named = (source: string): string =>
      `{"chunk_type":{"type":"Heartbeat"},"metadata":{"source":"${source}"}}`;
    const text = '{"type":"Text","content":""}';
    const body = heartbeatOf(`[${named("first")},${text},${named("last")},${text}]`) ?? "";
    expect(JSON.parse(`{${body}`)).toMatchObject({
      chunk_type: { type: "Heartbeat" },
      metadata: { source: "last" },
      timestamp: 1_700_000_000_000,
    });
    expect(heartbeatOf('{"type":"Heartbeat"}')).toContain('"chunk_type":{"type":"Heartbeat"}');
    for (const none of [`[${named("first")},{"type":"Heartbeat","extra":1}]`, text, "[]", "nonsense"])
      expect(heartbeatOf(none)).toBeUndefined();
  });

  it("ends the stream with Complete and Error", () => {
    expect(decode('{"type":"Complete"}')[0]).toMatchObject({ kind: "chunk", endStatus: "completed" });
    expect(decode('{"type":"Error","error":"no","code":"x"}')[0]).toMatchObject({
      kind: "chunk",
      endStatus: "errored",
    });
    expect(decode('{"type":"Error","error":"","code":"CANCELLED"}')[0]).toMatchObject({
      endStatus: "cancelled",
    });
  });

  it("lets a refused end end the stream all the same, as an Error that says why", () => {
    const large = JSON.stringify({ type: "Complete", summary: "x".repeat(MAX_BYTES) });
    const deep = `{"type":"Complete","summary":${"[".repeat(200_000)}${"]".repeat(200_000)}}`;
    const refused = ['{"type":"Complete","sumary":"x"}', '{"type":"Error","error":"no"}', large, deep];
    for (const payload of refused) {
      const element = decode(payload)[0];
      expect(element).toMatchObject({ kind: "chunk", endStatus: "errored" });
      expect(chunkOf(element)["chunk_type"]).toMatchObject({ type: "Error", code: "INVALID_CHUNK" });
    }
  });

  it("has no elements in a tombstone", () => {
    const tombstone = decodeMessage(message("", { control: "delete", producerSequence: 9 }), MAX_BYTES);
    expect(tombstone).toMatchObject({ isTombstone: true, firstSequence: 9, elements: [] });
  });

  it("never throws, and carries JSON values through unchanged", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(decode(bytes).length).toBeLessThanOrEqual(100);
      }),
    );
    fc.assert(
      fc.property(fc.jsonValue(), (data) => {
        const text = JSON.stringify({ type: "Json", data });
        const element = decodeMessage(message(text), Infinity).elements[0];
        expect(JSON.stringify(chunkOf(element)["chunk_type"])).toBe(text);
      }),
    );
  });
});
