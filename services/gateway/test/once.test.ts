import { StreamError, type StreamInfo } from "@sluice/core";
import type { MemoryLog, MemoryPromptQueue, MemoryRequestRecords, MemoryStreamLog } from "@sluice/memory";
import { memoryGatewayPorts } from "@sluice/testing";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Bench, ndjson, NDJSON, storedTexts, text, type Answer } from "./gateway-bench.ts";

let log: MemoryLog;
let streamLog: MemoryStreamLog;
let records: MemoryRequestRecords;
let promptQueue: MemoryPromptQueue;
/** Two gateways of one system. */
let benches: [Bench, Bench];

beforeEach(async () => {
  const ports = memoryGatewayPorts();
  ({ memory: log, log: streamLog, records, promptQueue } = ports);
  benches = [await new Bench(ports).listen(), await new Bench(ports).listen()];
});
afterEach(async () => {
  for (const bench of benches) await bench[Symbol.asyncDispose]();
});

const post = (
  gateway: 0 | 1,
  path: string,
  body: unknown,
  key: string,
  type = "application/json",
): Promise<Answer> => benches[gateway].call("POST", path, body, type, { "Idempotency-Key": key });
const stored = (streamId: string): string[][] => storedTexts(log.messages, streamId);
const isReplayed = ({ headers }: Answer): boolean => headers.get("idempotency-replayed") === "true";

describe("appends with a key", () => {
  beforeEach(() => benches[0].create("s"));

  test("are stored once, whatever gateway the repeat comes to, and answered with the first answer", async () => {
    const first = await post(0, "/streams/s/chunks", [text("a"), text("b")], "k1");
    await post(0, "/streams/s/chunks", text("between"), "k2");
    const again = await post(1, "/streams/s/chunks", [text("a"), text("b")], "k1");
    expect(first).toMatchObject({ status: 200, body: { accepted: 2, first_sequence: 1, last_sequence: 2 } });
    expect(again.body).toEqual(first.body);
    expect([first, again].map(isReplayed)).toEqual([false, true]);
    expect(stored("s")).toEqual([["a", "b"], ["between"]]);
  });

  test("are told apart by their key and their path", async () => {
    await benches[0].create("t");
    for (const [path, key] of [
      ["/streams/s/chunks", "k1"],
      ["/streams/s/chunks", "k2"],
      ["/streams/t/chunks", "k1"],
    ] as const)
      expect(isReplayed(await post(0, path, text("a"), key))).toBe(false);
    expect([stored("s"), stored("t")]).toEqual([[["a"], ["a"]], [["a"]]]);
  });

  test("are refused where the key came with another body before", async () => {
    await post(0, "/streams/s/chunks", text("a"), "k1");
    expect(await post(1, "/streams/s/chunks", text("b"), "k1")).toMatchObject({
      status: 422,
      body: { code: "IDEMPOTENCY_KEY_REUSED" },
    });
    expect(stored("s")).toEqual([["a"]]);
  });

  test("end a stream once, too, and the repeat still gets the first answer", async () => {
    const first = await post(0, "/streams/s/complete", { summary: "done" }, "k1");
    expect(first).toMatchObject({ status: 200, body: { last_sequence: 1 } });
    expect((await post(1, "/streams/s/complete", { summary: "done" }, "k1")).body).toEqual(first.body);
    expect(await post(1, "/streams/s/complete", {}, "k2")).toMatchObject({
      status: 409,
      body: { code: "STREAM_ENDED" },
    });
  });

  test("come at once to several gateways and are stored once, beside other writers", async () => {
    const rounds = Array.from({ length: 20 }, async (_, round) => {
      const chunk = text(`k${round}`);
      const others = [0, 1].map((gateway) =>
        benches[gateway as 0 | 1].call("POST", "/streams/s/chunks", text(`other${round}`)),
      );
      const repeats = [0, 1, 0, 1].map((gateway) =>
        post(gateway as 0 | 1, "/streams/s/chunks", chunk, `k${round}`),
      );
      await Promise.all(others);
      return Promise.all(repeats);
    });
    // More at a time than uploads may be open: the refused ones come again, as clients do.
    const answers = (await Promise.all(rounds)).flat();
    for (const answer of answers.filter(({ status }) => status !== 200))
      expect(answer.body["code"]).toBe("OVERLOADED");
    for (let round = 0; round < 20; round++) {
      const chunk = text(`k${round}`);
      const last = await post(1, "/streams/s/chunks", chunk, `k${round}`);
      expect(last.status).toBe(200);
      const own = answers.slice(round * 4, round * 4 + 4).filter(({ status }) => status === 200);
      for (const { body } of own) expect(body).toEqual(last.body);
      expect(
        stored("s")
          .flat()
          .filter((content) => content === `k${round}`),
      ).toEqual([`k${round}`]);
    }
  });

  test.each(["before it is stored", "once it is stored"])(
    "whose gateway died %s are found by a repeat",
    async (moment) => {
      const append = streamLog.append.bind(streamLog);
      const death = new Error("the process died here");
      streamLog.append = async (message) => {
        if (moment === "once it is stored") await append(message);
        throw death;
      };
      expect((await post(0, "/streams/s/chunks", text("a"), "k1")).status).toBe(500);
      streamLog.append = append;
      await benches[1].call("POST", "/streams/s/chunks", text("between"));
      const again = await post(1, "/streams/s/chunks", text("a"), "k1");
      const [first, last] = moment === "once it is stored" ? ["a", "between"] : ["between", "a"];
      expect(stored("s")).toEqual([[first], [last]]);
      expect(again.body).toMatchObject({ accepted: 1, first_sequence: first === "a" ? 1 : 2 });
      expect((await post(0, "/streams/s/chunks", text("a"), "k1")).body).toEqual(again.body);
    },
  );

  test("that are written down nowhere any more are known by the stream's last message; else they count as new", async () => {
    const first = await post(0, "/streams/s/chunks", [text("a"), { type: "Complete" }], "k1");
    records.flush();
    expect((await post(1, "/streams/s/chunks", [text("a"), { type: "Complete" }], "k1")).body).toEqual(
      first.body,
    );
    expect(stored("s")).toEqual([["a"]]);

    await benches[0].create("t");
    await post(0, "/streams/t/chunks", text("a"), "k1");
    await post(0, "/streams/t/chunks", text("b"), "k2");
    records.flush();
    expect((await post(1, "/streams/t/chunks", text("a"), "k1")).body).toMatchObject({ first_sequence: 3 });
    expect(stored("t")).toEqual([["a"], ["b"], ["a"]]);
  });

  test("are refused for the moment while nothing can be written down, and those without a key are not", async () => {
    records.isReachable = false;
    expect(await post(0, "/streams/s/chunks", text("a"), "k1")).toMatchObject({
      status: 503,
      body: { code: "CACHE_UNAVAILABLE" },
    });
    expect((await benches[0].call("POST", "/streams/s/chunks", text("b"))).status).toBe(200);
    expect(stored("s")).toEqual([["b"]]);
  });

  test("whose answer can't be written down are stored and answered, and a repeat finds them", async () => {
    const replace = records.replace.bind(records);
    let writes = 0;
    records.replace = (...args) => {
      if (++writes === 2) return Promise.reject(new StreamError("CACHE_UNAVAILABLE", "gone"));
      return replace(...args);
    };
    const first = await post(0, "/streams/s/chunks", text("a"), "k1");
    await benches[0].call("POST", "/streams/s/chunks", text("b"));
    expect((await post(1, "/streams/s/chunks", text("a"), "k1")).body).toEqual(first.body);
    expect(stored("s")).toEqual([["a"], ["b"]]);
  });

  test("may demand their number, too", async () => {
    const at = (key: string, sequence: string) =>
      benches[0].call("POST", "/streams/s/chunks", text("a"), "application/json", {
        "Idempotency-Key": key,
        "Sluice-Sequence": sequence,
      });
    expect(await at("k1", "2")).toMatchObject({ status: 409, body: { code: "FENCED", head_sequence: 0 } });
    const first = await at("k2", "1");
    expect(first).toMatchObject({ status: 200, body: { first_sequence: 1 } });
    expect((await at("k2", "1")).body).toEqual(first.body);
    expect(await at("k2", "2")).toMatchObject({ status: 422, body: { code: "IDEMPOTENCY_KEY_REUSED" } });
  });

  test("of NDJSON are stored as one message, or not at all", async () => {
    const lines = ndjson(text("a"), text("b"));
    const first = await post(0, "/streams/s/chunks", lines, "k1", NDJSON);
    expect(first).toMatchObject({ status: 200, body: { accepted: 2, last_sequence: 2 } });
    expect((await post(1, "/streams/s/chunks", lines, "k1", NDJSON)).body).toEqual(first.body);
    expect(await post(0, "/streams/s/chunks", `${lines}\noops`, "k2", NDJSON)).toMatchObject({
      status: 400,
      body: { line: 4 },
    });
    expect(
      await post(0, "/streams/s/chunks", ndjson(text("c"), { type: "Text" }), "k3", NDJSON),
    ).toMatchObject({ status: 422, body: { line: 2 } });
    const many = ndjson(...Array.from({ length: 1_025 }, () => text("d")));
    const refused = await post(0, "/streams/s/chunks", many, "k4", NDJSON);
    expect(refused).toMatchObject({ status: 400 });
    expect(refused.body["detail"]).toContain("1024 lines");
    expect(stored("s")).toEqual([["a", "b"]]);
  });

  test.each(["", "a b", "ä", "x".repeat(256)])("with the key %j are refused", async (key) => {
    // fetch sends Latin-1 only, and drops nothing of that.
    expect(await post(0, "/streams/s/chunks", text("a"), key)).toMatchObject({
      status: 400,
      body: { code: "INVALID_REQUEST", field: "Idempotency-Key" },
    });
  });
});

describe("creations with a key", () => {
  test("make one stream, with one id", async () => {
    const first = await post(0, "/streams", { options: { cache_ttl: 60 } }, "k1");
    const again = await post(1, "/streams", { options: { cache_ttl: 60 } }, "k1");
    expect(again.body).toEqual(first.body);
    expect([first.status, again.status]).toEqual([201, 201]);
    expect([first, again].map(isReplayed)).toEqual([false, true]);
    expect(log.messages.length).toBe(1);
    expect(await post(0, "/streams", {}, "k1")).toMatchObject({ status: 422 });
  });

  test("are told that the id is another's, each time", async () => {
    await benches[0].create("s");
    for (const gateway of [0, 1] as const) {
      expect(await post(gateway, "/streams", { stream_id: "s" }, "k1")).toMatchObject({
        status: 409,
        body: { code: "STREAM_EXISTS" },
      });
    }
  });

  test("are refused an id of which only the record is left, also by a repeat that finds the first one's plan", async () => {
    const old = { stream_id: "old" };
    for (const bench of benches) {
      bench.infos.set("old", {
        ...info("old"),
        head: { sequence: 3, brokerSequence: 9, status: "completed" },
      });
    }
    const lastMessage = vi.spyOn(streamLog, "lastMessage");
    lastMessage.mockRejectedValueOnce(new StreamError("LOG_UNAVAILABLE", "away"));
    expect((await post(0, "/streams", old, "k1")).status).toBe(503);
    expect(await post(1, "/streams", old, "k1")).toMatchObject({
      status: 409,
      body: { code: "STREAM_EXISTS" },
    });
    const hedged = await Promise.all([0, 1].map((gateway) => post(gateway as 0 | 1, "/streams", old, "k2")));
    expect(hedged.map(({ status }) => status)).toEqual([409, 409]);
    expect(log.messages).toEqual([]);
  });

  test("whose gateway died once the stream was created are found by a repeat, though ingest knows the stream", async () => {
    const append = streamLog.append.bind(streamLog);
    streamLog.append = async (message) => {
      await append(message);
      throw new Error("the process died here");
    };
    expect((await post(0, "/streams", { stream_id: "s" }, "k1")).status).toBe(500);
    streamLog.append = append;
    for (const bench of benches) bench.infos.set("s", info("s"));
    expect(await post(1, "/streams", { stream_id: "s" }, "k1")).toMatchObject({
      status: 201,
      body: { stream_id: "s" },
    });
    expect(log.messages.length).toBe(1);
  });
});

describe("a batch", () => {
  const batch = { streams: [{ stream_id: "a" }, { options: { cache_ttl: 5 } }, { stream_id: "c" }] };

  test("creates each of its streams for itself", async () => {
    const answer = await benches[0].call("POST", "/streams/batch", batch);
    expect(answer).toMatchObject({
      status: 201,
      body: { streams: [{ stream_id: "a", status: 201 }, { status: 201 }, { stream_id: "c", status: 201 }] },
    });
    expect(log.messages.map(({ streamId }) => streamId).toSorted()).toContain("c");
    const mixed = await benches[0].call("POST", "/streams/batch", {
      streams: [{ stream_id: "a" }, { stream_id: "d" }, { stream_id: "a b" }],
    });
    expect(mixed).toMatchObject({
      status: 207,
      body: {
        streams: [
          { stream_id: "a", status: 409, problem: { code: "STREAM_EXISTS" } },
          { stream_id: "d", status: 201 },
          { stream_id: "a b", status: 400, problem: { code: "INVALID_STREAM_ID" } },
        ],
      },
    });
  });

  test("with a key is created once", async () => {
    const first = await post(0, "/streams/batch", batch, "k1");
    expect((await post(1, "/streams/batch", batch, "k1")).body).toEqual(first.body);
    expect(log.messages.length).toBe(3);
  });

  test("with a key that was cut short is completed by its repeat", async () => {
    const append = streamLog.append.bind(streamLog);
    streamLog.append = (message) =>
      message.streamId === "c" ? Promise.reject(new StreamError("LOG_FULL", "no room")) : append(message);
    const first = await post(0, "/streams/batch", batch, "k1");
    expect(first).toMatchObject({ status: 207, body: { streams: [{}, {}, { status: 507 }] } });
    streamLog.append = append;
    const again = await post(1, "/streams/batch", batch, "k1");
    expect(again.status).toBe(201);
    const ids = ({ body }: Answer) =>
      (body["streams"] as { stream_id: string }[]).map(({ stream_id: id }) => id);
    expect(ids(again)).toEqual(ids(first));
    expect(log.messages.length).toBe(3);
  });

  test("has 1 to 100 streams", async () => {
    for (const streams of [[], Array.from({ length: 101 }, () => ({}))]) {
      expect(await benches[0].call("POST", "/streams/batch", { streams })).toMatchObject({
        status: 400,
        body: { field: "streams" },
      });
    }
  });
});

describe("prompts with a key", () => {
  test("go to a worker once", async () => {
    const asked: string[] = [];
    promptQueue.serve(async ({ streamId }) => void asked.push(streamId));
    const first = await post(0, "/prompts", { prompt: "why?" }, "k1");
    const again = await post(1, "/prompts", { prompt: "why?" }, "k1");
    expect(again.body).toEqual(first.body);
    expect([first, again].map(isReplayed)).toEqual([false, true]);
    expect(asked).toEqual([first.body["stream_id"]]);
    expect(await post(0, "/prompts", { prompt: "who?" }, "k1")).toMatchObject({ status: 422 });
  });

  test("are refused for the moment while the first is being taken up, and may come again where it failed", async () => {
    const gate = Promise.withResolvers<void>();
    const worker = promptQueue.serve(() => gate.promise);
    const first = post(0, "/prompts", { prompt: "why?" }, "k1");
    await vi.waitFor(async () => {
      expect(await post(1, "/prompts", { prompt: "why?" }, "k1")).toMatchObject({
        status: 503,
        body: { code: "OVERLOADED" },
      });
    });
    gate.reject(new StreamError("OVERLOADED", "as many answers as it may"));
    expect((await first).status).toBe(503);
    worker.close();
    promptQueue.serve(async () => {});
    await vi.waitFor(async () =>
      expect((await post(1, "/prompts", { prompt: "why?" }, "k1")).status).toBe(201),
    );
  });
});

test("a heartbeat takes no number and keeps the stream open", async () => {
  await benches[0].create("s");
  expect(await benches[0].call("POST", "/streams/s/heartbeat")).toMatchObject({
    status: 200,
    body: { accepted: 1, first_sequence: null, last_sequence: null },
  });
  expect(await benches[0].call("POST", "/streams/s/complete")).toMatchObject({
    status: 200,
    body: { accepted: 1, first_sequence: 1 },
  });
});

function info(streamId: string): StreamInfo {
  return {
    streamId,
    head: { sequence: 0, brokerSequence: 9, status: "open" },
    chunkCount: 0,
    byteCount: 0,
    createdMs: 1,
    updatedMs: 2,
    endedMs: null,
    options: null,
    beatIntervalMs: null,
    cancelRequest: null,
  };
}
