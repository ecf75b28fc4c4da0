import { describe, expect, it } from "vitest";
import {
  firstSequenceOf,
  messageNumberOf,
  readStampMs,
  stampedChunk,
  streamOf,
  type Workload,
} from "./workload.ts";

describe("a workload", () => {
  it("finds the message of every chunk", () => {
    for (const streams of [1, 3, 100]) {
      for (const chunksPerMessage of [1, 16]) {
        const workload: Workload = { prefix: "w", streams, chunksPerMessage, chunkBytes: 200 };
        for (let number = 0; number < 500; number++) {
          const first = firstSequenceOf(workload, number);
          for (let sequence = first; sequence < first + chunksPerMessage; sequence++) {
            expect(messageNumberOf(workload, streamOf(workload, number), sequence)).toBe(number);
          }
        }
      }
    }
  });

  it("has chunks of exactly the size that was asked for, which carry their time", () => {
    for (let number = 0; number < 200; number++) {
      const chunk = stampedChunk(200, 123_456_789.125, number);
      expect(Buffer.byteLength(chunk)).toBe(200);
      expect(JSON.parse(chunk)).toMatchObject({ type: "Text" });
      expect(readStampMs(Buffer.from(`data: ${chunk}`), 0)).toBe(123_456_789.125);
    }
    expect(readStampMs(Buffer.from("data: {}"), 0)).toBeNaN();
  });
});
