import { headers } from "@nats-io/nats-core";
import { describe, expect, it } from "vitest";
import {
  millisecondsOfNanoseconds,
  millisecondsOfTimestamp,
  parseDelivery,
  storedMessage,
} from "./stored-message.ts";

describe("the time of a message", () => {
  it.each([
    ["1795370753611770778", "2026-11-22T18:05:53.611770778Z", 1795370753611],
    ["1795370753611999999", "2026-11-22T18:05:53.611999999Z", 1795370753611],
    // Rounding a double of the nanoseconds would make this the next millisecond.
    ["1795370753999999999", "2026-11-22T18:05:53.999999999Z", 1795370753999],
    ["1795370753000000001", "2026-11-22T18:05:53.000000001Z", 1795370753000],
    ["1795370753600000000", "2026-11-22T18:05:53.6Z", 1795370753600],
    ["1795370753000000000", "2026-11-22T18:05:53Z", 1795370753000],
  ])("is cut to the same millisecond from %s ns and from %s", (nanoseconds, timestamp, expected) => {
    expect(millisecondsOfNanoseconds(nanoseconds)).toBe(expected);
    expect(millisecondsOfTimestamp(timestamp)).toBe(expected);
  });
});

describe("a delivery", () => {
  const expected = {
    brokerSequence: 1795370753606,
    deliverySequence: 2,
    timestampMs: 1795370753612,
    pending: 3,
  };

  it("is read from the reply subject of a server", () => {
    expect(parseDelivery("$JS.ACK.CHUNKS.c1.1.1795370753606.2.1795370753612942927.3")).toEqual(expected);
  });

  it("is read from the longer form with domain and account", () => {
    const reply = "$JS.ACK.hub.ACCHASH.CHUNKS.c1.1.1795370753606.2.1795370753612942927.3";
    expect(parseDelivery(reply)).toEqual(expected);
    expect(parseDelivery(`${reply}.random`)).toEqual(expected);
  });

  it.each(["", "_INBOX.abc", "$JS.ACK.CHUNKS", "$JS.FC.CHUNKS.c1.1.2.3.4.5"])(
    "is not seen in %j",
    (reply) => {
      expect(parseDelivery(reply)).toBeNull();
    },
  );
});

describe("a stored message", () => {
  const raw = {
    subject: "chunk.11.my-stream",
    brokerSequence: 9,
    timestampMs: 1,
    payload: new Uint8Array([1]),
  };
  const withHeaders = (given: Record<string, string>): ReturnType<typeof storedMessage> => {
    const made = headers();
    for (const [name, value] of Object.entries(given)) made.set(name, value);
    return storedMessage({ ...raw, headers: made });
  };

  it("has nothing but its place and payload where it came without headers", () => {
    expect(storedMessage({ ...raw, headers: undefined })).toEqual({
      streamId: "my-stream",
      brokerSequence: 9,
      timestampMs: 1,
      messageId: null,
      producerSequence: null,
      expectedLastSequence: null,
      control: null,
      options: null,
      beatIntervalMs: null,
      receiptTo: null,
      payload: raw.payload,
    });
  });

  it.each(["0", "-1", "1.5", "1e3", "0x10", "abc", "99999999999999999999", "9007199254740993"])(
    "has no number where the producer's is %j",
    (text) => {
      expect(withHeaders({ "Sluice-Sequence": text }).producerSequence).toBeNull();
    },
  );

  it("wants a receipt in an inbox only: ingest must not publish for others where they may not", () => {
    expect(withHeaders({ "Sluice-Receipt": "_INBOX.k3J9.7" }).receiptTo).toBe("_INBOX.k3J9.7");
    const foreign = [
      "stream.abc",
      "$JS.API.STREAM.PURGE.CHUNKS",
      "_INBOX",
      "_INBOX.>",
      "_INBOX.a b",
      "_INBOX.a..b",
    ];
    for (const subject of [...foreign, `_INBOX.${"a".repeat(122)}`])
      expect(withHeaders({ "Sluice-Receipt": subject }).receiptTo).toBeNull();
  });

  it("takes an expectation of zero for the proof that it was the first", () => {
    const message = withHeaders({ "Nats-Expected-Last-Subject-Sequence": "0" });
    expect(message.expectedLastSequence).toBe(0);
  });

  it("takes an expectation about its own subject for the same proof", () => {
    const message = withHeaders({
      "Nats-Expected-Last-Subject-Sequence": "0",
      "Nats-Expected-Last-Subject-Sequence-Subject": raw.subject,
    });
    expect(message.expectedLastSequence).toBe(0);
  });

  it("takes no expectation about another subject for a proof", () => {
    const message = withHeaders({
      "Nats-Expected-Last-Subject-Sequence": "0",
      "Nats-Expected-Last-Subject-Sequence-Subject": "chunk.11.other",
    });
    expect(message.expectedLastSequence).toBeNull();
  });

  it("knows only the controls that it knows", () => {
    expect(withHeaders({ "Sluice-Control": "delete" }).control).toBe("delete");
    expect(withHeaders({ "Sluice-Control": "explode" }).control).toBeNull();
  });
});
