import { readFileSync } from "node:fs";
import type { ServerHandle } from "@sluice/servers";
import { startRedis } from "@sluice/testing";
import * as fc from "fast-check";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

let server: ServerHandle;
let redis: Redis;

beforeAll(async () => {
  server = await startRedis({ local: true });
  redis = new Redis(server.url);
});

afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

const CHUNKS = "chunks";
const META = "meta";

// The shipped script, with each of its reads measured: how many bytes of members came out of the ZSET.
const SCRIPT = readFileSync(new URL("scripts/read-page.lua", import.meta.url), "utf8");
const MEASURED = `
local server, taken = redis, 0
local redis = { call = function(...)
  local reply = server.call(...)
  if string.sub((...), 1, 1) == "Z" then
    for _, member in ipairs(reply) do taken = taken + #member end
  end
  return reply
end }
local function run() ${SCRIPT} end
local page = run()
return { taken, page }`;

interface Measured {
  taken: number;
  delivered: number;
  sequences: number[];
}

async function readPage(after: number, maxChunks: number, maxBytes: number): Promise<Measured> {
  const reply = await redis.eval(MEASURED, 2, CHUNKS, META, after, maxChunks, maxBytes);
  const [taken, [, , , , ...members]] = reply as [number, [string, string, null, number, ...string[]]];
  const delivered = members.reduce((sum, member) => sum + member.length, 0);
  return { taken, delivered, sequences: members.map((member) => Number.parseInt(member, 10)) };
}

async function fill(sizes: readonly number[]): Promise<number> {
  await redis.del(CHUNKS);
  await redis.hset(META, { sequence: sizes.length, status: "open", chunk_ttl: 300 });
  const pipeline = redis.pipeline();
  const members = sizes.map((size, index) => `${index + 1}:${"x".repeat(size)}`);
  for (const [index, member] of members.entries()) pipeline.zadd(CHUNKS, index + 1, member);
  await pipeline.exec();
  return Math.max(...members.map((member) => member.length));
}

/** Runs of chunks of one size, since what is cheap to read is followed by what is not. */
const chunkSizes = fc
  .array(
    fc.record({
      count: fc.integer({ min: 1, max: 80 }),
      size: fc.oneof(
        fc.integer({ min: 0, max: 300 }),
        fc.integer({ min: 0, max: 8_000 }),
        fc.constant(100_000),
      ),
    }),
    { minLength: 1, maxLength: 6 },
  )
  .map((runs) => runs.flatMap(({ count, size }) => Array.from({ length: count }, () => size)));

describe("a page of a stream, as taken out of Redis", () => {
  it("costs what it delivers and one chunk at most, whatever the chunks, the limits and the positions", async () => {
    const bounds = fc.record({
      maxChunks: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 1_000 })),
      maxBytes: fc.oneof(fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 1, max: 1_048_576 })),
    });
    const positions = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(chunkSizes, bounds, positions, async (sizes, { maxChunks, maxBytes }, readers) => {
        const largest = await fill(sizes);
        for (const position of readers) {
          const page = await readPage(Math.floor(position * sizes.length), maxChunks, maxBytes);
          expect(page.taken).toBeLessThanOrEqual(page.delivered + largest);
          expect(page.taken).toBeLessThanOrEqual(maxChunks === 0 ? 0 : maxBytes + 16 * maxChunks + largest);
        }
      }),
      { numRuns: 80 },
    );
  });

  it("costs a reader of the whole stream at most twice what the stream has, page by page", async () => {
    await fc.assert(
      fc.asyncProperty(chunkSizes, fc.integer({ min: 500, max: 300_000 }), async (sizes, maxBytes) => {
        const largest = await fill(sizes);
        const total = { taken: 0, delivered: 0, chunks: 0 };
        for (let after = 0; after < sizes.length;) {
          const page = await readPage(after, 256, maxBytes);
          expect(page.sequences[0]).toBe(after + 1);
          after = page.sequences.at(-1) ?? sizes.length;
          total.taken += page.taken;
          total.delivered += page.delivered;
          total.chunks += page.sequences.length;
        }
        expect(total.chunks).toBe(sizes.length);
        expect(total.taken).toBeLessThanOrEqual(2 * total.delivered + largest);
      }),
      { numRuns: 40 },
    );
  });

  it("is a pure read", async () => {
    await fill([1, 1]);
    await redis.pexpire(CHUNKS, 1_000_000);
    const read = (): Promise<unknown> => redis.call("EVAL_RO", SCRIPT, 2, CHUNKS, META, 0, 9, 999);
    expect(await read()).toEqual(["2", "open", null, 0, "1:x", "2:x"]);
    await redis.pexpire(CHUNKS, 100_000);
    expect(await read()).toEqual(["2", "open", null, 300_000, "1:x", "2:x"]);
  });
});
