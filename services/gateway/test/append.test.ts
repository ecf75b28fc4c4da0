import type { MemoryLog } from "@sluice/memory";
import { memoryGatewayPorts } from "@sluice/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Bench, ndjson, NDJSON, storedTexts, text } from "./gateway-bench.ts";

let log: MemoryLog;
let bench: Bench;

beforeEach(async () => {
  const ports = memoryGatewayPorts();
  log = ports.memory;
  bench = await new Bench(ports).listen();
});
afterEach(async () => {
  await bench[Symbol.asyncDispose]();
});

const stored = (streamId: string): string[][] => storedTexts(log.messages, streamId);

test("a stream that isn't there is not made by an append: the problem names the request that does", async () => {
  const answer = await bench.call("POST", "/streams/none/chunks", text("x"));
  expect(answer.body["detail"]).toContain("POST /streams");
  expect(log.messages.length).toBe(0);
});

test("a body of another type, or none, is refused with the types that are taken", async () => {
  await bench.create("s");
  const answer = await bench.call("POST", "/streams/s/chunks", "x", "text/plain");
  expect(answer).toMatchObject({ status: 415, body: { code: "UNSUPPORTED_MEDIA_TYPE" } });
  expect(answer.body["detail"]).toContain("application/x-ndjson");
  expect(await bench.call("POST", "/streams/s/chunks")).toMatchObject({
    status: 400,
    body: { code: "INVALID_REQUEST" },
  });
  expect((await bench.call("POST", "/streams", "x", "text/plain")).status).toBe(415);
});

test("one chunk is appended when the answer comes", async () => {
  await bench.create("s");
  const answer = await bench.call("POST", "/streams/s/chunks", text("hi"));
  expect(answer).toMatchObject({
    status: 200,
    body: {
      stream_id: "s",
      accepted: 1,
      first_sequence: 1,
      last_sequence: 1,
      broker_sequence: log.lastSequence,
    },
  });
  expect(stored("s")).toEqual([["hi"]]);
});

test("an array is appended as one, or not at all", async () => {
  await bench.create("s");
  const good = await bench.call("POST", "/streams/s/chunks", [
    text("a"),
    { chunk_type: { type: "Heartbeat" } },
    text("b"),
  ]);
  expect(good.body).toMatchObject({ accepted: 3, first_sequence: 1, last_sequence: 2 });
  const bad = await bench.call("POST", "/streams/s/chunks", [text("c"), { type: "Text", content: 1 }]);
  expect(bad).toMatchObject({ status: 422, body: { code: "INVALID_CHUNK", field: "content", index: 1 } });
  const many = await bench.call(
    "POST",
    "/streams/s/chunks",
    Array.from({ length: 1_025 }, () => text("d")),
  );
  expect(many).toMatchObject({ status: 400, body: { code: "INVALID_REQUEST" } });
  expect(stored("s")).toEqual([["a", "b"]]);
});

test("numbers that can't be known are null", async () => {
  log.publishBare("s", Buffer.from('{"type":"Text","content":"bare"}'));
  const answer = await bench.call("POST", "/streams/s/chunks", text("x"));
  expect(answer.body).toEqual({
    stream_id: "s",
    accepted: 1,
    first_sequence: null,
    last_sequence: null,
    broker_sequence: log.lastSequence,
  });
});

test("a chunk of more than 1 MiB is too large, in each form of body", async () => {
  await bench.create("s");
  const large = text("x".repeat(1024 * 1024));
  expect(await bench.call("POST", "/streams/s/chunks", large)).toMatchObject({
    status: 413,
    body: { code: "CHUNK_TOO_LARGE" },
  });
  expect(await bench.call("POST", "/streams/s/chunks", text("x".repeat(3 * 1024 * 1024)))).toMatchObject({
    status: 413,
  });
  const lines = ndjson(text("a"), large, text("b"));
  expect(await bench.call("POST", "/streams/s/chunks", lines, NDJSON)).toMatchObject({
    status: 413,
    body: { code: "CHUNK_TOO_LARGE", line: 2, accepted: 1, last_sequence: 1 },
  });
  expect(stored("s")).toEqual([["a"]]);
});

test("chunks that name their number are stored once, however often they are sent", async () => {
  await bench.create("s");
  const at = (sequence: string, chunk: unknown) =>
    bench.call("POST", "/streams/s/chunks", chunk, "application/json", { "Sluice-Sequence": sequence });
  expect(await at("1", [text("a"), text("b")])).toMatchObject({ status: 200, body: { first_sequence: 1 } });
  const again = { status: 409, body: { code: "FENCED", head_sequence: 2 } };
  expect(await at("1", [text("a"), text("b")])).toMatchObject(again);
  expect(await at("4", text("d"))).toMatchObject(again);
  expect(await at("x", text("d"))).toMatchObject({ status: 400, body: { field: "Sluice-Sequence" } });
  expect(await at("3", { type: "Complete" })).toMatchObject({ status: 200 });
  expect(await at("3", { type: "Complete" })).toMatchObject({
    status: 409,
    body: { code: "STREAM_ENDED", head_sequence: 3 },
  });
  expect(stored("s")).toEqual([["a", "b"]]);
});

test("of two requests for the same number one is stored, the other learns how far the stream has come", async () => {
  await bench.create("s");
  const headers = { "Sluice-Sequence": "1" };
  const answers = await Promise.all(
    ["a", "b", "c"].map((name) =>
      bench.call("POST", "/streams/s/chunks", text(name), "application/json", headers),
    ),
  );
  expect(answers.map(({ status }) => status).toSorted((x, y) => x - y)).toEqual([200, 409, 409]);
  for (const { body } of answers.filter(({ status }) => status === 409))
    expect(body["head_sequence"]).toBe(1);
  expect(stored("s").length).toBe(1);
});

test("after the end nothing can be appended", async () => {
  await bench.create("s");
  await bench.call("POST", "/streams/s/chunks", { type: "Complete" });
  const late = { status: 409, body: { code: "STREAM_ENDED" } };
  expect(await bench.call("POST", "/streams/s/chunks", text("late"))).toMatchObject(late);
  expect(await bench.call("POST", "/streams/s/chunks", ndjson(text("late")), NDJSON)).toMatchObject(late);
});

test("lines after the end are refused with their number, the end is stored", async () => {
  await bench.create("s");
  const answer = await bench.call(
    "POST",
    "/streams/s/chunks",
    ndjson(text("a"), { type: "Complete" }, text("late")),
    NDJSON,
  );
  expect(answer).toMatchObject({
    status: 409,
    body: { code: "STREAM_ENDED", line: 3, accepted: 2, last_sequence: 2 },
  });
});

test("rule 9: a character in halves is joined within a request, and half a one is stored as U+FFFD", async () => {
  await bench.create("s");
  const halves = [text("a\ud83d"), text("\udd0eb"), text("c\ud83d")];
  const array = await bench.call("POST", "/streams/s/chunks", halves);
  expect(array.body).toMatchObject({ accepted: 3, last_sequence: 3 });
  const lines = await bench.call("POST", "/streams/s/chunks", ndjson(...halves), NDJSON);
  expect(lines.body).toMatchObject({ accepted: 3, last_sequence: 6 });
  expect(stored("s").flat().join("")).toBe("a🔎bc\ufffda🔎bc\ufffd");
});
