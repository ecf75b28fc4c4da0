import { expect, test } from "vitest";
import { withoutIds } from "./multi-frames.ts";
import { elementFrames, gapFrame } from "./sse-frames.ts";

test("frames lose their ids and nothing else; a refused element's, which is nothing but an id, becomes an event", () => {
  const body = '"chunk_type":{"type":"Text","content":"id: 7"},"data":null}';
  const chunk = { kind: "chunk", body, endStatus: null, cacheTtlSeconds: null } as const;
  const frames =
    elementFrames("s", 1, [chunk, { kind: "rejected", reason: "no" }, chunk]) +
    gapFrame({ streamId: "s", from: 4, to: 9, reason: "expired" });
  const rejected = 'event: rejected\ndata: {"stream_id":"s","sequence":2}\n\n';
  const expected = frames.replace(/^id: 2\n\n/m, rejected).replaceAll(/^id: \d+\n/gm, "");
  expect(Buffer.from(withoutIds("s", Buffer.from(frames))).toString()).toBe(expected);
  expect(expected).toContain("event: gap");
  expect(expected.match(/^data: /gm)).toHaveLength(4);
  expect(Buffer.from(withoutIds("s", Buffer.from("id: 2\n\n"))).toString()).toBe(rejected);
});
