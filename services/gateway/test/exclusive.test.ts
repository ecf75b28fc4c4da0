import type { MemoryLog } from "@sluice/memory";
import { memoryGatewayPorts } from "@sluice/testing";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Bench, ndjson, storedTexts, text } from "./gateway-bench.ts";

let log: MemoryLog;
let bench: Bench;

beforeEach(async () => {
  const ports = memoryGatewayPorts();
  log = ports.memory;
  bench = await new Bench(ports).listen();
  await bench.create("s");
});
afterEach(async () => {
  await bench[Symbol.asyncDispose]();
});

const stored = () => storedTexts(log.messages, "s").flat();
const storedSoon = (contents: string[]) => vi.waitFor(() => expect(stored()).toEqual(contents));

test("an exclusive upload takes the stream over: the older one is fenced at its next message", async () => {
  const older = bench.openTalk("s", "?mode=exclusive");
  older.write(ndjson(text("a")));
  await storedSoon(["a"]);
  const newer = bench.openTalk("s", "?mode=exclusive");
  newer.write(ndjson(text("b")));
  await storedSoon(["a", "b"]);
  older.write(ndjson(text("lost")));
  expect(await older.nextLine()).toMatchObject({ accepted: 1 });
  expect(await older.nextLine()).toMatchObject({ code: "FENCED", accepted: 1, head_sequence: 1 });
  newer.write(ndjson(text("c")));
  newer.end();
  await newer.nextLine();
  await newer.nextLine();
  expect(await newer.nextLine()).toMatchObject({ stream_id: "s", accepted: 2, last_sequence: 3 });
  expect(stored()).toEqual(["a", "b", "c"]);
});

test("a shared append fences an exclusive upload as well", async () => {
  const upload = bench.openTalk("s", "?mode=exclusive");
  upload.write(ndjson(text("a")));
  await storedSoon(["a"]);
  await bench.call("POST", "/streams/s/chunks", text("b"));
  upload.write(ndjson(text("lost")));
  await upload.nextLine();
  expect(await upload.nextLine()).toMatchObject({ code: "FENCED" });
  expect(stored()).toEqual(["a", "b"]);
});

test("an exclusive upload promises to beat, and takes the promise back when it ends", async () => {
  const upload = bench.openTalk("s", "?mode=exclusive");
  upload.write(ndjson(text("a")));
  await storedSoon(["a"]);
  expect(log.lastOf("s")?.beatIntervalMs).toBeGreaterThan(0);
  upload.end();
  await upload.nextLine();
  await upload.nextLine();
  expect(log.lastOf("s")?.beatIntervalMs).toBeNull();
  expect((await bench.call("POST", "/streams/s/chunks", text("b"))).body).toMatchObject({ last_sequence: 2 });
});

test("with a number it takes over only there", async () => {
  const headers = { "Sluice-Sequence": "2" };
  const at = (chunk: unknown) =>
    bench.call("POST", "/streams/s/chunks?mode=exclusive", chunk, "application/json", headers);
  expect(await at(text("b"))).toMatchObject({ status: 409, body: { code: "FENCED", head_sequence: 0 } });
  await bench.call("POST", "/streams/s/chunks", text("a"));
  expect(await at(text("b"))).toMatchObject({ status: 200, body: { first_sequence: 2 } });
  expect(stored()).toEqual(["a", "b"]);
});

test("a chunk that names its number promises nothing and writes one message", async () => {
  const before = log.messages.length;
  await bench.call("POST", "/streams/s/chunks", text("a"), "application/json", { "Sluice-Sequence": "1" });
  expect(log.messages.length).toBe(before + 1);
  expect(log.lastOf("s")?.beatIntervalMs).toBeNull();
});

test("another mode is refused", async () => {
  expect(await bench.call("POST", "/streams/s/chunks?mode=mine", text("a"))).toMatchObject({
    status: 400,
    body: { code: "INVALID_REQUEST", field: "mode" },
  });
});
