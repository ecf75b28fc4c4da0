import { isJump, partitionOf, StreamError, type ChunkCache, type PartitionLeases } from "@sluice/core";
import { createLogger, createRegistry, defaultSettings } from "@sluice/runtime";
import {
  MemoryCancelFeed,
  MemoryChunkCache,
  MemoryLiveBus,
  MemoryLiveFeed,
  MemoryLog,
  MemoryPartitionLeases,
  MemoryPartitionLog,
  MemoryPressureFeed,
  MemoryReaderPresence,
  MemoryReceiptFeed,
  MemoryStreamLog,
  type MemoryCacheSnapshot,
} from "@sluice/memory";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { startIngester, type Ingester } from "../src/ingester.ts";
import { ingestConfigSchema, type IngestSettings } from "../src/config.ts";

const PARTITIONS = 4;
const LEASE_TTL_MS = 400;

const SETTINGS: IngestSettings = {
  ...defaultSettings(ingestConfigSchema),
  maxChunkBytes: 1024,
  idleLimitSeconds: 60,
  producerTimeoutMs: 15_000,
  cancelGraceMs: 400,
  maxStreamBytes: 1e9,
  leaseTtlMs: LEASE_TTL_MS,
  leaseRenewMs: 100,
  maxBatchMessages: 16,
  maxPendingMessages: 64,
  maxPendingBytes: 1024 * 1024,
};

/** A repeatable source of chance: a failing world can be run again by its seed. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A replica whose way to Redis can be slowed down, or cut for good as when it was killed. */
interface Replica {
  ingester: Ingester;
  isDead: boolean;
  slowMs: number;
  /** That many appends to come take effect, and their answers get lost. */
  lostAnswers: number;
}

/** One log, one cache and as many replicas as a test starts. */
class World {
  readonly log = new MemoryLog({ partitions: PARTITIONS });
  readonly cache = new MemoryChunkCache({ partitions: PARTITIONS });
  readonly partitionLog = new MemoryPartitionLog(this.log);
  readonly bus = new MemoryLiveBus();
  readonly leases = new MemoryPartitionLeases({ partitions: PARTITIONS, cache: this.cache });
  readonly replicas: Replica[] = [];
  readonly #feeds: MemoryLiveFeed[] = [];
  readonly random: () => number;

  constructor(seed = 1) {
    this.random = randomFrom(seed);
  }

  start(): Replica {
    const replica = { isDead: false, slowMs: 0, lostAnswers: 0 } as Replica;
    const liveFeed = new MemoryLiveFeed(this.bus);
    this.#feeds.push(liveFeed);
    replica.ingester = startIngester({
      log: this.partitionLog,
      streamLog: new MemoryStreamLog(this.log),
      cache: this.#throughNetwork(this.cache, replica),
      leases: this.#throughNetwork(this.leases, replica),
      liveFeed,
      cancelFeed: new MemoryCancelFeed(),
      readerPresence: new MemoryReaderPresence(),
      pressureFeed: new MemoryPressureFeed(),
      receiptFeed: new MemoryReceiptFeed(),
      settings: SETTINGS,
      logger: createLogger("ingest", "silent"),
      registry: createRegistry("ingest"),
    });
    this.replicas.push(replica);
    return replica;
  }

  /** What a replica notices of a broker that was stopped and started again. */
  reconnect(): void {
    for (const feed of this.#feeds) feed.reconnect();
  }

  /** Calls take a while, before and after they take effect, and a dead replica's never come back. */
  #throughNetwork<T extends ChunkCache | PartitionLeases>(target: T, replica: Replica): T {
    const hop = async (): Promise<void> => {
      if (replica.slowMs > 0) await delay(this.random() * replica.slowMs);
      if (replica.isDead) throw new StreamError("CACHE_UNAVAILABLE", "this replica is dead");
    };
    return new Proxy(target, {
      get:
        (_, name) =>
        async (...values: unknown[]) => {
          await hop();
          const method = Reflect.get(target, name) as (...values: unknown[]) => Promise<unknown>;
          const result = await method.apply(target, values);
          await hop();
          if (name === "append" && replica.lostAnswers-- > 0)
            throw new StreamError("CACHE_UNAVAILABLE", "the answer got lost");
          return result;
        },
    });
  }

  /** As the SDK does; streams whose id begins with `bare` get what `nats pub` sends, with no number and no expectation. */
  publish(streamId: string, contents: readonly string[], chunksBefore: number): void {
    const payload = Buffer.from(JSON.stringify(contents.map((content) => ({ type: "Text", content }))));
    if (streamId.startsWith("bare")) {
      this.log.publishBare(streamId, payload);
      return;
    }
    const outcome = this.log.append({
      streamId,
      payload,
      messageId: `${streamId}:${chunksBefore}`,
      expectedLastSequence: this.log.lastOf(streamId)?.brokerSequence ?? 0,
      producerSequence: chunksBefore + 1,
    });
    if (outcome === null) throw new Error("the test publishes one message at a time");
  }

  /** What a reader from the beginning gets, asking for a rebuild where the cache has holes. */
  async read(streamId: string): Promise<string[]> {
    const feed = new MemoryLiveFeed(this.bus);
    const bounds = { maxChunks: 1_000, maxBytes: 1e9 };
    let page = await this.cache.readPage(streamId, 0, bounds);
    if (page === null || page.chunks.length < page.head) {
      const partition = partitionOf(streamId, PARTITIONS);
      await feed.requestRebuild(partition, streamId, 500);
      page = await this.cache.readPage(streamId, 0, bounds);
    }
    return (page?.chunks ?? []).map((chunk) => contentOf(Buffer.from(chunk.json).toString()));
  }

  async close(): Promise<void> {
    for (const replica of this.replicas) {
      replica.isDead = false;
      replica.slowMs = 0;
    }
    await Promise.all(this.replicas.map((replica) => replica.ingester.close()));
  }
}

const contentOf = (json: string): string =>
  (JSON.parse(json) as { chunk_type: { content: string } }).chunk_type.content;

const worlds: World[] = [];

function createWorld(seed?: number): World {
  const world = new World(seed);
  worlds.push(world);
  return world;
}

afterEach(async () => {
  await Promise.all(worlds.map((world) => world.close()));
  const leaks = worlds.map((world) => world.log.openReaders + world.bus.openSubscriptions);
  worlds.length = 0;
  // Whoever leaves a reader or a subscription open leaks one at each take-over.
  if (leaks.some((count) => count > 0)) throw new Error(`left open: ${leaks.join(", ")}`);
});

const ownedBy = (world: World): number[] =>
  world.replicas.flatMap((replica) => [...replica.ingester.owned]).toSorted((a, b) => a - b);
const ALL = Array.from({ length: PARTITIONS }, (_, partition) => partition);

test("replicas share the partitions evenly, and each partition has one owner, as members come and go", async () => {
  const world = createWorld();
  const first = world.start();
  await expect.poll(() => ownedBy(world)).toEqual(ALL);
  world.start();
  await expect.poll(() => world.replicas.map((replica) => replica.ingester.owned.length)).toEqual([2, 2]);
  expect(ownedBy(world)).toEqual(ALL);
  await first.ingester.close();
  await expect.poll(() => world.replicas.map((replica) => replica.ingester.owned.length)).toEqual([0, 4]);
});

test("a replica that stays alone does not hand its partitions to and fro", async () => {
  const world = createWorld();
  const replica = world.start();
  await expect.poll(() => replica.ingester.owned).toEqual(ALL);
  const before = world.log.openReaders;
  await delay(3 * LEASE_TTL_MS);
  expect(replica.ingester.owned).toEqual(ALL);
  expect(world.log.openReaders).toBe(before);
});

test("a replica that closes hands over at once, one that dies within the lease time", async () => {
  const world = createWorld();
  const first = world.start();
  await expect.poll(() => ownedBy(world)).toEqual(ALL);
  const second = world.start();
  await expect.poll(() => second.ingester.owned.length).toBe(2);
  first.isDead = true;
  const diedMs = performance.now();
  await expect.poll(() => second.ingester.owned, { interval: 5 }).toEqual(ALL);
  // The seeker looks each 200 ms.
  expect(performance.now() - diedMs).toBeLessThan(LEASE_TTL_MS + 200 + 150);
});

test("a malformed message is kept on REJECTED with its reason, under a placeholder, and holds nothing up", async () => {
  const world = createWorld();
  world.start();
  world.log.publishBare("bare-s", Buffer.from("not json"));
  world.publish("bare-s", ["after"], 1);
  await expect.poll(() => world.cache.readInfo("bare-s")).toMatchObject({ head: { sequence: 2 } });
  const page = await world.cache.readPage("bare-s", 0, { maxChunks: 10, maxBytes: 1e6 });
  expect(page?.chunks.map((chunk) => chunk.json.byteLength > 0)).toEqual([false, true]);
  const [rejection] = world.partitionLog.rejected;
  expect(rejection).toMatchObject({ streamId: "bare-s", index: 0 });
  expect(rejection?.reason).toMatch(/not JSON/);
});

test("the checkpoint falls back while nothing is published: the replica notices by itself and reads again", async () => {
  const world = createWorld();
  world.start();
  await expect.poll(() => ownedBy(world)).toEqual(ALL);
  const before = world.cache.snapshot();
  world.publish("s", ["a", "b"], 0);
  await expect.poll(() => world.cache.readInfo("s")).toMatchObject({ head: { sequence: 2 } });
  world.cache.rollback(before);
  await expect.poll(() => world.cache.readInfo("s")).toMatchObject({ head: { sequence: 2 } });
});

test("an older copy of the log is noticed: what readers got keeps its numbers, and streams go on at a jump", async () => {
  const world = createWorld();
  world.start();
  world.start();
  world.publish("s", ["a", "b"], 0);
  const copied = world.log.lastSequence;
  // Times tell the copy from what came later.
  await delay(2);
  world.publish("s", ["lost"], 2);
  await expect.poll(() => world.cache.readInfo("s")).toMatchObject({ head: { sequence: 3 } });

  // Nobody reads while a copy is put in place: the broker doesn't run.
  world.log.rollBackTo(copied);
  world.reconnect();
  await delay(2);
  world.publish("s", ["new"], 2);
  world.publish("fresh", ["first"], 0);
  await expect.poll(async () => isJump((await world.cache.readInfo("s"))?.head.sequence ?? 0)).toBe(true);
  const jump = (await world.cache.readInfo("s"))?.head.sequence;
  await expect.poll(() => world.cache.readInfo("fresh")).toMatchObject({ head: { sequence: 1 } });
  expect(world.log.divergences.map((divergence) => divergence.after)).toEqual([copied]);

  // Rebuilt from the log alone, each chunk has the number again that it was told under.
  const page = await world.cache.readPage("s", 0, { maxChunks: 10, maxBytes: 1e6 });
  world.cache.flush();
  const feed = new MemoryLiveFeed(world.bus);
  await expect
    .poll(() => feed.requestRebuild(partitionOf("s", PARTITIONS), "s", 500))
    .toMatchObject({ kind: "restored", head: jump });
  const again = await world.cache.readPage("s", 0, { maxChunks: 10, maxBytes: 1e6 });
  expect(again?.chunks).toEqual(page?.chunks.filter((chunk) => chunk.sequence !== 3));
});

test("a log that was made anew is noticed, and nothing of it is taken for what was applied before", async () => {
  const world = createWorld();
  world.start();
  world.publish("s", ["old"], 0);
  await expect.poll(() => world.cache.readInfo("s")).toMatchObject({ head: { sequence: 1 } });
  world.log.recreate();
  world.reconnect();
  world.publish("s", ["new"], 0);
  await expect.poll(() => world.read("s")).toEqual(["old", "new"]);
  expect(isJump((await world.cache.readInfo("s"))?.head.sequence ?? 0)).toBe(true);
});

test("after a reconnect the owners of a replica look at all checkpoints together, not each by itself", async () => {
  const world = createWorld();
  world.start();
  await expect.poll(() => ownedBy(world)).toEqual(ALL);
  const streamIds = ALL.map((partition) => {
    let number = 0;
    while (partitionOf(`s${number}`, PARTITIONS) !== partition) number++;
    return `s${number}`;
  });
  const allHave = async (head: number): Promise<boolean> => {
    const infos = await Promise.all(streamIds.map((streamId) => world.cache.readInfo(streamId)));
    return infos.every((info) => info?.head.sequence === head);
  };
  for (const streamId of streamIds) world.publish(streamId, ["before"], 0);
  await expect.poll(() => allHave(1)).toBe(true);
  const readCheckpoint = world.cache.readCheckpoint.bind(world.cache);
  let reads = 0;
  world.cache.readCheckpoint = (partition) => {
    reads++;
    return readCheckpoint(partition);
  };
  world.reconnect();
  for (const streamId of streamIds) world.publish(streamId, ["after"], 1);
  await expect.poll(() => allHave(2)).toBe(true);
  expect(reads).toBeGreaterThan(0);
  expect(reads).toBeLessThan(PARTITIONS * PARTITIONS);
});

test("a chunk that was written, but not told because the answer got lost, is announced with the tails", async () => {
  const world = createWorld();
  const replica = world.start();
  await expect.poll(() => ownedBy(world)).toEqual(ALL);
  const feed = new MemoryLiveFeed(world.bus);
  const announced = new Set<string>();
  const tails = feed.subscribeTails(({ streams }) => {
    for (const { streamId, head, hasEnded } of streams) announced.add(`${streamId} ${head} ${hasEnded}`);
  });
  replica.lostAnswers = 1;
  world.publish("s", ["a", "b"], 0);
  await expect.poll(() => announced, { timeout: 5_000 }).toEqual(new Set(["s 2 false"]));
  expect(replica.lostAnswers).toBeLessThan(1);
  tails.close();
});

test("a message that comes again after its stream's record was lost ends nothing", async () => {
  const world = createWorld();
  const replica = world.start();
  await expect.poll(() => ownedBy(world)).toEqual(ALL);
  replica.lostAnswers = 1;
  world.publish("s", ["a", "b"], 0);
  await expect
    .poll(() => world.cache.readInfo("s"), { interval: 2 })
    .toMatchObject({ head: { sequence: 2 } });
  world.cache.dropMeta("s");
  // The batch whose answer got lost is repeated before anything that comes after it.
  world.publish("s", ["c"], 2);
  await expect.poll(() => world.cache.readInfo("s")).toMatchObject({ head: { sequence: 3, status: "open" } });
  expect(world.log.messages).toHaveLength(2);
});

/** Runs a world of random trouble. @returns where a number carried another chunk than its position in the log says */
async function explore(seed: number): Promise<string[]> {
  const world = createWorld(seed);
  const { random } = world;
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const published = new Map(
    ["a", "b", "c", "bare-d", "bare-e", "f"].map((streamId) => [streamId, [] as string[]]),
  );
  const wrong: string[] = [];
  const feed = new MemoryLiveFeed(world.bus);
  const listeners = [...published].map(([streamId, truth]) =>
    feed.subscribeRanges(streamId, (range) => {
      for (const [, id, data] of Buffer.from(range.frames ?? [])
        .toString()
        .matchAll(/^id: (\d+)\nevent: text\ndata: (.*)$/gm)) {
        const content = contentOf(data ?? "");
        if (truth[Number(id) - 1] !== content) wrong.push(`${streamId} ${id} told as ${content}`);
      }
    }),
  );
  world.start();
  world.start();
  let snapshot: MemoryCacheSnapshot = world.cache.snapshot();
  for (let step = 0; step < 150; step++) {
    await delay(random() * 8);
    const [streamId, truth] = pick([...published]);
    const contents = Array.from(
      { length: 1 + Math.floor(random() * 3) },
      (_, index) => `${streamId}${truth.length + index}`,
    );
    world.publish(streamId, contents, truth.length);
    truth.push(...contents);
    const dice = random();
    const replica = pick(world.replicas);
    if (dice < 0.02) world.cache.flush();
    else if (dice < 0.06) snapshot = world.cache.snapshot();
    else if (dice < 0.09) world.cache.rollback(snapshot);
    else if (dice < 0.12) world.cache.dropMeta(streamId);
    else if (dice < 0.15) world.cache.dropChunks(streamId);
    // Longer than the lease: whoever wakes up from it believes to own what another owns by now.
    else if (dice < 0.2) replica.slowMs = pick([0, 5, 2 * LEASE_TTL_MS]);
    else if (dice < 0.22 && world.replicas.length < 6) {
      replica.isDead = true;
      world.start();
    } else if (dice < 0.24 && world.replicas.length < 6) {
      void replica.ingester.close();
      world.start();
    }
  }
  for (const replica of world.replicas) replica.slowMs = 0;
  if (world.replicas.every((replica) => replica.isDead || replica.ingester.owned.length === 0)) world.start();
  for (const [streamId, truth] of published) {
    if (truth.length === 0) continue;
    await expect
      .poll(() => world.read(streamId), { timeout: 5_000, message: `seed ${seed}, ${streamId}` })
      .toEqual(truth);
  }
  for (const listener of listeners) listener.close();
  return wrong.map((problem) => `seed ${seed}: ${problem}`);
}

test("under random crashes, pauses, take-overs, flushes, rollbacks and lost records each chunk has its position in the log as number, always", async () => {
  const start = Math.floor(Math.random() * 1e9);
  const wrong = await Promise.all(Array.from({ length: 24 }, (_, index) => explore(start + index)));
  expect(wrong.flat()).toEqual([]);
}, 60_000);

/** A world whose log falls back to older copies of itself. @returns what was told twice, differently, or never */
async function exploreEras(seed: number): Promise<string[]> {
  const world = createWorld(seed);
  const { random } = world;
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const streamIds = ["a", "b", "c", "d"];
  const wrong: string[] = [];
  const told = new Map<string, string>();
  const hear = (streamId: string, sequence: number, content: string): void => {
    const place = `${streamId} ${sequence}`;
    const known = told.get(place);
    if (known !== undefined && known !== content)
      wrong.push(`seed ${seed}: ${place} was ${known}, then ${content}`);
    told.set(place, content);
  };
  const readAll = async (streamId: string): Promise<Set<string>> => {
    const page = await world.cache.readPage(streamId, 0, { maxChunks: 10_000, maxBytes: 1e9 });
    for (const chunk of page?.chunks ?? []) {
      hear(streamId, chunk.sequence, contentOf(Buffer.from(chunk.json).toString()));
    }
    return new Set((page?.chunks ?? []).map((chunk) => contentOf(Buffer.from(chunk.json).toString())));
  };
  world.start();
  world.start();
  let published = 0;
  const numbers = new Map<string, number>();
  for (let step = 0; step < 120; step++) {
    await delay(random() * 6);
    const streamId = pick(streamIds);
    const content = `${streamId}-${published++}`;
    world.publish(streamId, [content], numbers.get(streamId) ?? 0);
    numbers.set(streamId, (numbers.get(streamId) ?? 0) + 1);
    const dice = random();
    if (dice < 0.1) await readAll(streamId);
    else if (dice < 0.14) world.cache.dropChunks(streamId);
    else if (dice < 0.18) {
      // As long as it takes to put a copy in place: messages of the two eras never share a millisecond.
      await delay(3);
      const messages = world.log.messages;
      const kept = Math.floor(random() * messages.length);
      world.log.rollBackTo(messages[kept]?.brokerSequence ?? world.log.lastSequence);
      await delay(3);
      for (const each of streamIds) {
        numbers.set(each, world.log.messages.filter((message) => message.streamId === each).length);
      }
      world.reconnect();
    }
  }
  for (const streamId of streamIds) {
    const kept = world.log.messages
      .filter((message) => message.streamId === streamId)
      .map(
        (message) =>
          (JSON.parse(Buffer.from(message.payload).toString()) as [{ content: string }])[0].content,
      );
    await expect
      .poll(
        async () => {
          await new MemoryLiveFeed(world.bus).requestRebuild(
            partitionOf(streamId, PARTITIONS),
            streamId,
            500,
          );
          return [...(await readAll(streamId))];
        },
        { timeout: 5_000, message: `seed ${seed}, ${streamId}` },
      )
      .toEqual(expect.arrayContaining(kept));
  }
  return wrong;
}

test("however often the log falls back to older copies, no number carries two chunks, and what the log holds can be read", async () => {
  const start = Math.floor(Math.random() * 1e9);
  const wrong = await Promise.all(Array.from({ length: 24 }, (_, index) => exploreEras(start + index)));
  expect(wrong.flat()).toEqual([]);
}, 60_000);
