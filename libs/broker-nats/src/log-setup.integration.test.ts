import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { DiscardPolicy, type StreamConfig } from "@nats-io/jetstream";
import { partitionOf } from "@sluice/core";
import { CHUNKS_STREAM, chunkTransformTarget, REJECTED_STREAM } from "@sluice/protocol";
import { startNats, freshStreamId, outgoing } from "@sluice/testing";
import type { ServerHandle } from "@sluice/servers";
import { awaitLog, ensureLog, type LogOptions } from "./log-setup.ts";
import { connectNats, type NatsLink } from "./nats-connection.ts";
import { NatsPartitionLog } from "./nats-partition-log.ts";
import { NatsStreamLog } from "./nats-stream-log.ts";
import { NatsRejectedElements } from "./nats-rejected-elements.ts";

const OPTIONS: LogOptions = {
  replicas: 1,
  maxAgeMs: 3_600_000,
  maxBytes: 64 * 1024 * 1024,
  minRetentionMs: 300_000,
};

describe("the log", () => {
  let server: ServerHandle;
  let link: NatsLink;

  beforeAll(async () => {
    server = await startNats({ local: true });
  });
  afterAll(async () => {
    await server.stop();
  });
  beforeEach(async () => {
    link = await connectNats({ servers: server.url, name: "setup" });
  });
  afterEach(async () => {
    for (const name of [CHUNKS_STREAM, REJECTED_STREAM]) {
      await link.jetStreamManager.streams.delete(name).catch(() => undefined);
    }
    await link.close();
  });

  const makeByHand = (config: Partial<StreamConfig>): Promise<unknown> =>
    link.jetStreamManager.streams.add({
      name: CHUNKS_STREAM,
      subjects: ["stream.*"],
      subject_transform: { src: "stream.*", dest: chunkTransformTarget(32) },
      allow_direct: true,
      discard: DiscardPolicy.New,
      metadata: { "sluice-partitions": "32", "sluice-created-ms": "1790000000000" },
      ...config,
    });
  const refusal = async (options: Partial<LogOptions> = {}): Promise<unknown> => {
    const outcome = await ensureLog(link, { ...OPTIONS, ...options }).catch((error: unknown) => error);
    expect(outcome).toMatchObject({ code: "LOG_INCOMPATIBLE" });
    return (outcome as Error).message;
  };

  it("is made once by many processes at the same time, which agree on when", async () => {
    const links = await Promise.all(
      Array.from({ length: 6 }, () => connectNats({ servers: server.url, name: "one of many" })),
    );
    const logs = await Promise.all(links.map((one) => ensureLog(one, OPTIONS)));
    expect(new Set(logs.map((log) => log.createdMs)).size).toBe(1);
    expect(logs[0]!.partitions).toBe(32);
    await Promise.all(links.map((one) => one.close()));
  });

  it("is found as it was made, and its limits are left alone", async () => {
    const made = await ensureLog(link, { ...OPTIONS, partitions: 8 });
    expect(await ensureLog(link, { ...OPTIONS, maxBytes: 1_000_000 })).toEqual(made);
    expect(await awaitLog(link, 0)).toEqual(made);
    const { config } = await link.jetStreamManager.streams.info(CHUNKS_STREAM);
    expect(config.max_bytes).toBe(OPTIONS.maxBytes);
  });

  it("starts above all positions of the log that was there before it", async () => {
    const first = await ensureLog(link, OPTIONS);
    const before = await new NatsStreamLog(link, first).append(
      outgoing({ streamId: freshStreamId(), expectedLastSequence: 0 }),
    );
    await link.jetStreamManager.streams.delete(CHUNKS_STREAM);
    const second = await ensureLog(link, OPTIONS);
    const facts = await new NatsPartitionLog(link, second).facts();
    expect(second.createdMs).toBeGreaterThan(first.createdMs);
    expect(before).toEqual({ kind: "stored", brokerSequence: first.createdMs });
    expect(facts).toMatchObject({ firstSequence: second.createdMs, lastSequence: second.createdMs - 1 });
  });

  it("tells a running process that it was replaced", async () => {
    const log = new NatsPartitionLog(link, await ensureLog(link, OPTIONS));
    const before = await log.facts();
    await link.jetStreamManager.streams.delete(CHUNKS_STREAM);
    await expect(log.facts()).rejects.toMatchObject({ code: "LOG_UNAVAILABLE" });
    await ensureLog(link, OPTIONS);
    expect((await log.facts()).createdMs).toBeGreaterThan(before.createdMs);
  });

  it("puts each stream into the partition that any process computes for it", async () => {
    const log = await ensureLog(link, { ...OPTIONS, partitions: 7 });
    const streamLog = new NatsStreamLog(link, log);
    const ids = [
      "a",
      "Z",
      "_",
      "-",
      "0",
      "x".repeat(128),
      ...Array.from({ length: 300 }, () => freshStreamId()),
    ];
    for (const streamId of ids) {
      const outcome = await streamLog.append(outgoing({ streamId, expectedLastSequence: 0 }));
      const sequence = outcome.kind === "stored" ? outcome.brokerSequence : -1;
      const stored = await link.jetStreamManager.streams.getMessage(CHUNKS_STREAM, { seq: sequence });
      expect(stored?.subject).toBe(`chunk.${partitionOf(streamId, 7)}.${streamId}`);
    }
  });

  it("is refused where its number of partitions is another than asked for", async () => {
    await ensureLog(link, OPTIONS);
    expect(await refusal({ partitions: 16 })).toMatch(/has 32 partitions.*to 32, not 16/s);
  });

  it("is refused where it forgets sooner than the cache promises to keep", async () => {
    await ensureLog(link, { ...OPTIONS, maxAgeMs: 400_000 });
    expect(await refusal({ minRetentionMs: 500_000 })).toMatch(/raise max_age/);
  });

  it("is refused where somebody else made it", async () => {
    await makeByHand({ metadata: {} });
    expect(await refusal()).toMatch(/not made by Sluice/);
  });

  it("is refused without its subject transform", async () => {
    await makeByHand({ subject_transform: { src: "stream.*", dest: "other.{{wildcard(1)}}" } });
    expect(await refusal()).toMatch(/subject transform/);
  });

  it("is refused where it would eat its history when full", async () => {
    await makeByHand({ discard: DiscardPolicy.Old });
    expect(await refusal()).toMatch(/discard policy/);
  });

  it("is refused without direct reads", async () => {
    await makeByHand({ allow_direct: false });
    expect(await refusal()).toMatch(/allow_direct/);
  });

  it("is refused on a server that can't carry the largest chunk, with the number to set", async () => {
    const message = await refusal({ maxChunkBytes: 4 * 1024 * 1024 });
    expect(message).toContain(`set max_payload to ${4 * 1024 * 1024 + 64 * 1024}`);
  });

  it("is awaited no longer than was said", async () => {
    await expect(awaitLog(link, 0)).rejects.toMatchObject({ code: "LOG_UNAVAILABLE" });
  });

  it("refuses what is new when it is full, keeps all that it took, and takes new chunks when there is room", async () => {
    const log = await ensureLog(link, { ...OPTIONS, maxBytes: 1_000_000 });
    const [streamLog, partitionLog] = [new NatsStreamLog(link, log), new NatsPartitionLog(link, log)];
    const streamId = freshStreamId();
    const payload = new Uint8Array(100_000);
    const stored: number[] = [];
    const fill = async (): Promise<never> => {
      for (;;) {
        const outcome = await streamLog.append(
          outgoing({ streamId, expectedLastSequence: stored.at(-1) ?? 0, payload }),
        );
        if (outcome.kind === "stored") stored.push(outcome.brokerSequence);
      }
    };
    await expect(fill()).rejects.toMatchObject({ code: "LOG_FULL" });
    expect(stored.length).toBeGreaterThan(5);
    expect((await partitionLog.facts()).fullness).toBeGreaterThan(0.85);
    expect(await streamLog.firstAfter(streamId, 0)).toMatchObject({ brokerSequence: stored[0] });
    expect(await streamLog.lastMessage(streamId)).toMatchObject({ brokerSequence: stored.at(-1) });
    await streamLog.purgeBefore(streamId, stored.at(-1)!);
    const next = outgoing({ streamId, expectedLastSequence: stored.at(-1)!, payload });
    expect(await streamLog.append(next)).toMatchObject({ kind: "stored" });
  });

  it("gives back what was rejected in pages, with where it stood and why, each element once", async () => {
    const log = new NatsPartitionLog(link, await ensureLog(link, OPTIONS));
    const [one, two] = [freshStreamId(), freshStreamId()];
    const element = new TextEncoder().encode('{"type":"Txet"}');
    for (const streamId of [one, two]) {
      for (let index = 0; index < 5; index++) {
        const brokerSequence = streamId === one ? 17 : 18;
        for (let repeat = 0; repeat < 2; repeat++)
          await log.reject({ streamId, brokerSequence, index, reason: "no\nsuch type", element });
      }
    }
    const kept = new NatsRejectedElements(link);
    const first = await kept.readOldest({ limit: 7, after: 0 });
    const second = await kept.readOldest({ limit: 7, after: first.at(-1)!.position });
    const third = await kept.readOldest({ limit: 7, after: second.at(-1)!.position });
    expect([first.length, second.length, third.length]).toEqual([7, 3, 0]);
    expect(first[0]).toMatchObject({ streamId: one, brokerSequence: 17, index: 0, reason: "no such type" });
    expect(Buffer.from(first[0]!.element)).toEqual(Buffer.from(element));
    const ofTwo = await kept.readOldest({ limit: 100, after: 0, streamId: two });
    expect(ofTwo.map((rejected) => rejected.index)).toEqual([0, 1, 2, 3, 4]);
  });

  it("finds the newest of what was rejected also behind those that somebody deleted", async () => {
    const log = new NatsPartitionLog(link, await ensureLog(link, OPTIONS));
    const streamId = freshStreamId();
    for (let index = 0; index < 12; index++) {
      const element = Buffer.from(String(index));
      await log.reject({ streamId, brokerSequence: 19, index, reason: "no", element });
    }
    const kept = new NatsRejectedElements(link);
    const page = { before: null, limit: 3, maxElementBytes: 100 };
    const newest = await kept.readNewest({ ...page, limit: 12 });
    for (const index of [0, 2, 3, 4, 5, 6, 7])
      await link.jetStreamManager.streams.deleteMessage(REJECTED_STREAM, newest[index]!.position);
    const left = await kept.readNewest(page);
    expect(left.map((rejected) => rejected.index)).toEqual([10, 3, 2]);
  });
});
