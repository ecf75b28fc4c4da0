import type { LiveRange } from "@sluice/core";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decodeHeartbeatMessage,
  decodeLiveMessage,
  encodeHeartbeatMessage,
  encodeLiveMessage,
} from "./live-message.ts";

const decodeText = (text: string): LiveRange | null => decodeLiveMessage(Buffer.from(text));

describe("live messages", () => {
  it("come back as they were sent, also from the middle of a larger buffer", () => {
    const range = fc
      .record({
        first: fc.integer({ min: 1, max: 2 ** 52 }),
        count: fc.integer({ min: 1, max: 1024 }),
        isTerminal: fc.boolean(),
      })
      .map(({ first, count, isTerminal }) => ({ first, last: first + count - 1, isTerminal }));
    const frames = fc.option(fc.uint8Array());
    fc.assert(
      fc.property(range, frames, (range, frames) => {
        const sent = encodeLiveMessage({ ...range, frames });
        const inNetworkBuffer = Buffer.concat([Buffer.from("xx"), sent, Buffer.from("yy")]).subarray(
          2,
          2 + sent.byteLength,
        );
        const received = decodeLiveMessage(inNetworkBuffer);
        expect(received).toMatchObject(range);
        expect(received?.frames && [...received.frames]).toEqual(frames && [...frames]);
      }),
    );
  });

  it("have a head of one line", () => {
    const text = (range: LiveRange): string => Buffer.from(encodeLiveMessage(range)).toString();
    expect(text({ first: 5, last: 6, isTerminal: false, frames: Buffer.from("id: 6\n\n") })).toBe(
      "5 6 -\nid: 6\n\n",
    );
    expect(text({ first: 7, last: 7, isTerminal: true, frames: null })).toBe("7 7 tx\n");
  });

  it("share the memory of the network's buffer: frames are not copied", () => {
    const sent = encodeLiveMessage({ first: 1, last: 1, isTerminal: false, frames: Buffer.from("abc") });
    expect(decodeLiveMessage(sent)?.frames?.buffer).toBe(sent.buffer);
  });

  it("that are heartbeats carry a frame and no numbers, and are nothing to those who read ranges", () => {
    const sent = encodeHeartbeatMessage(Buffer.from("event: heartbeat\ndata: {}\n\n"));
    expect(Buffer.from(sent).toString()).toBe("h\nevent: heartbeat\ndata: {}\n\n");
    expect(Buffer.from(decodeHeartbeatMessage(sent) ?? []).toString()).toBe("event: heartbeat\ndata: {}\n\n");
    expect(decodeHeartbeatMessage(sent)?.buffer).toBe(sent.buffer);
    expect(decodeLiveMessage(sent)).toBeNull();
    for (const other of ["", "h", "hh\n", "1 2 -\n"])
      expect(decodeHeartbeatMessage(Buffer.from(other))).toBeNull();
  });

  it("are null where they are malformed: an impossible range would make readers look for chunks that never come", () => {
    const malformed = [
      "",
      "1 2 -",
      "1 2\n",
      "1 2 q\n",
      "1 2 - \n",
      "  -\n",
      "2 1 -\n",
      "0 1 -\n",
      "-3 -1 -\n",
      "1.5 2 -\n",
    ];
    const odd = [
      "0x1 2 -\n",
      "1e1 20 -\n",
      "1 9007199254740993 -\n",
      `1 2 -${" ".repeat(64)}\n`,
      "id: 1\n\n",
      "1 2 3 -\n",
    ];
    for (const text of [...malformed, ...odd]) expect(decodeText(text), JSON.stringify(text)).toBeNull();
  });

  it("never throw on foreign bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const range = decodeLiveMessage(bytes);
        expect(range === null || range.last >= range.first).toBe(true);
      }),
    );
  });
});
