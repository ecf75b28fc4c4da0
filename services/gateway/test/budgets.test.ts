import type { CacheSpace, StorageSpace } from "@sluice/core";
import { memoryGatewayPorts } from "@sluice/testing";
import { describe, expect, test } from "vitest";
import type { GatewaySettings } from "../src/config.ts";
import { Bench, text, type Answer } from "./gateway-bench.ts";

/** A cache that says how full it is. */
class ToldSpace implements CacheSpace {
  space: StorageSpace = { usedBytes: 0, limitBytes: 1_000_000 };
  asked = 0;

  async readSpace(): Promise<StorageSpace> {
    this.asked++;
    return this.space;
  }
}

async function start(settings: Partial<GatewaySettings> = {}, cacheSpace = new ToldSpace()) {
  const ports = memoryGatewayPorts();
  const bench = await new Bench({ ...ports, settings, cacheSpace }).listen();
  return Object.assign(bench, { ports, cacheSpace });
}

const options = (bytes: number): object => ({
  custom: { a: "x".repeat(bytes / 2), b: "x".repeat(bytes / 2) },
});
const refusedForNow = (answer: Answer): void => {
  expect(answer).toMatchObject({ status: 429, body: { code: "QUOTA_EXCEEDED" } });
  expect(Number(answer.headers.get("retry-after"))).toBe(answer.body["retry_after_seconds"]);
  expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(1);
};

describe("a client that has created all that it may", () => {
  test("is refused by count, one by one and by the batch, and its streams go on", async () => {
    await using bench = await start({ maxRecordsPerClient: 5 });
    await bench.create("s");
    const batch = { streams: [{}, {}, {}] };
    expect((await bench.call("POST", "/streams/batch", batch)).status).toBe(201);
    refusedForNow(await bench.call("POST", "/streams/batch", batch));
    expect((await bench.create("t")).status).toBe(201);
    refusedForNow(await bench.create("u"));
    refusedForNow(await bench.call("POST", "/streams"));
    refusedForNow(await bench.call("POST", "/prompts", { prompt: "why?" }));
    expect((await bench.call("POST", "/streams/s/chunks", text("x"))).status).toBe(200);
    expect((await bench.call("POST", "/streams/s/complete")).status).toBe(200);
    expect((await bench.call("DELETE", "/streams/t")).status).toBe(204);
  });

  test("is refused by the bytes that its options take", async () => {
    await using bench = await start({ maxRecordBytesPerClient: 10_000 });
    const create = () => bench.call("POST", "/streams", { options: options(1_800) });
    for (let count = 0; count < 4; count++) expect((await create()).status).toBe(201);
    refusedForNow(await create());
  });

  test("is refused for keys by themselves, and gets the answers of those that it has used", async () => {
    await using bench = await start({ maxRecordsPerClient: 3 });
    await bench.create("s");
    const append = (key: string) =>
      bench.call("POST", "/streams/s/chunks", text(key), "application/json", { "Idempotency-Key": key });
    for (const key of ["a", "b", "c"]) expect((await append(key)).status).toBe(200);
    refusedForNow(await append("d"));
    for (const key of ["a", "b", "c"])
      expect((await append(key)).headers.get("idempotency-replayed")).toBe("true");
    expect((await bench.call("POST", "/streams/s/chunks", text("x"))).status).toBe(200);
  });

  test("pays once for a creation that it repeats, and nothing for one that is refused", async () => {
    await using bench = await start({ maxRecordsPerClient: 3 });
    const create = (key: string) =>
      bench.call("POST", "/streams", { stream_id: "s" }, "application/json", { "Idempotency-Key": key });
    for (let count = 0; count < 5; count++) expect((await create("k")).status).toBe(201);
    for (let count = 0; count < 5; count++) expect((await bench.create("s")).status).toBe(409);
    const batch = { streams: [{ stream_id: "s" }, { stream_id: "t" }] };
    expect((await bench.call("POST", "/streams/batch", batch)).status).toBe(207);
    expect((await bench.create("u")).status).toBe(201);
    refusedForNow(await bench.create("v"));
  });

  test("keeps no other client from creating, nor those of one network from being one", async () => {
    await using bench = await start({ maxRecordsPerClient: 1, trustedProxies: 1 });
    const create = (address: string) =>
      bench.call("POST", "/streams", {}, "application/json", { "x-forwarded-for": address });
    expect((await create("192.0.2.1")).status).toBe(201);
    refusedForNow(await create("192.0.2.1"));
    refusedForNow(await create("::ffff:192.0.2.1"));
    expect((await create("192.0.2.2")).status).toBe(201);
    expect((await create("2001:db8:1:2::1")).status).toBe(201);
    refusedForNow(await create("2001:db8:1:2:ffff::9"));
    expect((await create("2001:db8:1:3::1")).status).toBe(201);
  });

  test("creates on while the accounts can't be reached", async () => {
    await using bench = await start({ maxRecordsPerClient: 1 });
    bench.ports.quotas.isReachable = false;
    for (let count = 0; count < 3; count++) expect((await bench.call("POST", "/streams")).status).toBe(201);
  });
});

describe("a cache that is 90 % full", () => {
  const full = { usedBytes: 900_000, limitBytes: 1_000_000 };

  test("takes nothing new, whichever way it is asked for, and all that goes on", async () => {
    await using bench = await start();
    await bench.create("s");
    bench.cacheSpace.space = full;
    const refused = (answer: Answer): void => {
      expect(answer).toMatchObject({ status: 503, body: { code: "STORAGE_FULL" } });
      expect(Number(answer.headers.get("retry-after"))).toBe(10);
    };
    await expect.poll(async () => (await bench.call("POST", "/streams")).status).toBe(503);
    refused(await bench.create("t"));
    refused(await bench.call("POST", "/streams/batch", { streams: [{}] }));
    refused(await bench.call("POST", "/prompts", { prompt: "why?" }));
    expect((await bench.call("POST", "/streams/s/chunks", text("x"))).status).toBe(200);
    const keyed = { "Idempotency-Key": "k" };
    expect((await bench.call("POST", "/streams/s/chunks", text("y"), "application/json", keyed)).status).toBe(
      200,
    );
    expect((await bench.call("POST", "/streams/s/complete")).status).toBe(200);
    bench.cacheSpace.space = { ...full, usedBytes: 1 };
    await expect.poll(async () => (await bench.call("POST", "/streams")).status).toBe(201);
  });

  test("is not filled by those who come between two answers about it", async () => {
    await using bench = await start({}, new ToldSpace());
    bench.cacheSpace.space = { usedBytes: 850_000, limitBytes: 1_000_000 };
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => bench.call("POST", "/streams", { options: options(1_800) })),
    );
    const created = answers.filter(({ status }) => status === 201).length;
    expect(created).toBeGreaterThan(10);
    expect(850_000 + created * 2_400).toBeLessThan(905_000);
    expect(bench.cacheSpace.asked).toBeLessThan(20);
  });

  test("has no say where it has no limit, or can't be asked", async () => {
    await using bench = await start();
    bench.cacheSpace.space = { usedBytes: 1e12, limitBytes: Infinity };
    expect((await bench.call("POST", "/streams")).status).toBe(201);
  });
});
