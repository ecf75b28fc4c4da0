import type { MemoryLog, MemoryRequestRecords } from "@sluice/memory";
import { memoryGatewayPorts } from "@sluice/testing";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Bench, NDJSON, text } from "./gateway-bench.ts";

let log: MemoryLog;
let records: MemoryRequestRecords;
let bench: Bench;

beforeEach(async () => {
  const ports = memoryGatewayPorts();
  ({ memory: log, records } = ports);
  bench = await new Bench(ports).listen();
  await bench.create("s");
});
afterEach(() => bench[Symbol.asyncDispose]());

const deep = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);
const deepObject = (levels: number): string => '{"a":'.repeat(levels) + "1" + "}".repeat(levels);
const DEEP = 30_000;
/** Below the depth at which `JSON.stringify` runs out of stack, and above what is kept. */
const DEEPER_THAN_KEPT = 97;

const CHUNKS = "/streams/s/chunks";
const BODIES: [path: string, body: string, status: 400 | 422][] = [
  [CHUNKS, deep(DEEP), 422],
  [CHUNKS, deepObject(DEEP), 422],
  [CHUNKS, `[${JSON.stringify(text("x"))},{"type":"Json","data":${deep(DEEP)}}]`, 422],
  [CHUNKS, `{"type":"Json","data":${deep(DEEPER_THAN_KEPT)}}`, 422],
  [CHUNKS, `{"type":"Event","event_type":"e","payload":{"a":${deepObject(DEEP)}}}`, 422],
  [CHUNKS, `{"chunk_type":{"type":"Text","content":"x"},"metadata":{"custom":${deepObject(DEEP)}}}`, 422],
  [CHUNKS, '{"type":"Json","data":1e400}', 422],
  [CHUNKS, '{"type":"Json","data":{"a":[1,-1e999]}}', 422],
  [CHUNKS, '{"type":"Event","event_type":"e","payload":[1e400]}', 422],
  [CHUNKS, '{"type":"Progress","current":1e400}', 422],
  [CHUNKS, '{"chunk_type":{"type":"Heartbeat"},"data":{"n":1e309}}', 422],
  [CHUNKS, '{"chunk_type":{"type":"Text","content":"x"},"timestamp":1e400}', 422],
  [CHUNKS, '{"chunk_type":{"type":"Text","content":"x"},"metadata":{"cache_ttl":1e400}}', 422],
  [CHUNKS, '{"chunk_type":{"type":"Text","content":"x"},"metadata":{"custom":{"__proto__":"x"}}}', 422],
  [CHUNKS, '{"type":"Text","content":"x","__proto__":{"content":"y"}}', 422],
  ["/streams/s/complete", deepObject(DEEP), 422],
  ["/streams/s/complete", '{"summary":1e400}', 422],
  ["/streams/s/complete", '{"__proto__":{"summary":"x"}}', 400],
  ["/streams", "null", 400],
  ["/streams", "false", 400],
  ["/streams/batch", "null", 400],
  ["/streams/s/complete", "null", 400],
  ["/prompts", "null", 400],
  ["/streams", deep(DEEP), 422],
  ["/streams", `{"options":${deepObject(DEEP)}}`, 422],
  ["/streams", `{"options":{"custom":${deepObject(DEEP)}}}`, 422],
  ["/streams", '{"options":{"cache_ttl":1e400}}', 422],
  ["/streams", '{"options":{"cancel_when_abandoned_seconds":-1e400}}', 422],
  ["/streams", '{"options":{"custom":{"a":1e400}}}', 422],
  ["/streams", '{"options":{"custom":{"__proto__":"x"}}}', 422],
  ["/streams", '{"options":{"custom":{"__proto__":{"a":"b"},"ok":"x"}}}', 422],
  ["/streams", '{"options":{"__proto__":{"cache_ttl":1}}}', 400],
  ["/streams", `{"options":{"custom":{${many("k", "v".repeat(1_000), 5)}}}}`, 422],
  ["/streams", `{"options":{"custom":{${many("k", "", 2_000)}}}}`, 422],
  ["/streams", `{"options":{"custom":{"k":"${"\\u0001".repeat(1_000)}"}}}`, 422],
  ["/streams", `{"options":{"custom":{${many("k", "\u20AC".repeat(1_000), 2)}}}}`, 422],
  ["/streams/batch", `{"streams":[{},{"options":{"custom":{${many("k", "v".repeat(1_000), 55)}}}}]}`, 422],
  ["/streams/batch", `{"streams":[{"options":{"custom":{"__proto__":"x"}}}]}`, 422],
  ["/streams/batch", deep(DEEP), 422],
  ["/prompts", `{"prompt":${deep(DEEP)}}`, 422],
  ["/prompts", '{"prompt":1e400}', 422],
];

function many(key: string, value: string, count: number): string {
  return Array.from({ length: count }, (_, index) => `"${key}${index}":"${value}"`).join();
}

describe.each([
  ["without a key", {}],
  ["with an Idempotency-Key", { "Idempotency-Key": "k1" }],
])("%s", (_name, headers) => {
  test.each(BODIES.map(([path, body, status]) => [path, body.slice(0, 60), status, body] as const))(
    "POST %s with %s is refused with %i, and nothing of it is kept",
    async (path, _shown, status, body) => {
      const [messages, keep] = [log.messages.length, vi.spyOn(records, "replace")];
      const answer = await bench.call("POST", path, body, "application/json", headers);
      expect([answer.status, answer.body["status"]]).toEqual([status, status]);
      expect(String(answer.body["detail"]).length).toBeLessThan(500);
      expect(log.messages).toHaveLength(messages);
      expect(keep).not.toHaveBeenCalled();
    },
  );

  test("lines that are deep or beyond a double are refused by their number", async () => {
    for (const [index, bad] of [
      `{"type":"Json","data":${deep(DEEP)}}`,
      '{"type":"Json","data":1e400}',
      deep(DEEP),
    ].entries()) {
      const body = `${JSON.stringify(text("x"))}\n${bad}\n`;
      const answer = await bench.call("POST", CHUNKS, body, NDJSON, {
        ...headers,
        ...("Idempotency-Key" in headers ? { "Idempotency-Key": `lines-${index}` } : {}),
      });
      expect(answer).toMatchObject({ status: 422, body: { code: "INVALID_CHUNK", line: 2 } });
    }
  });
});

test("free JSON keeps a key __proto__ as it was sent", async () => {
  expect(await bench.call("POST", CHUNKS, '{"type":"Json","data":{"__proto__":{"a":1}}}')).toMatchObject({
    status: 200,
  });
  expect(Buffer.from(log.messages.at(-1)?.payload ?? "").toString()).toContain('{"__proto__":{"a":1}}');
});

test("options of 4 KiB are taken, those with a byte more are not", async () => {
  const options = (size: number): string => {
    const custom = `{${many("k", "v".repeat(900), 4)},"z":""}`;
    const rest = size - `{"custom":${custom}}`.length;
    return `{"options":{"custom":${custom.replace('"z":""', `"z":"${"z".repeat(rest)}"`)}}}`;
  };
  expect((await bench.call("POST", "/streams", options(4096))).status).toBe(201);
  expect(await bench.call("POST", "/streams", options(4097))).toMatchObject({
    status: 422,
    body: { code: "UNPROCESSABLE", field: "options" },
  });
});
