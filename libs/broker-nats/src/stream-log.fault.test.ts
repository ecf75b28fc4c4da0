import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startNats, freshStreamId, outgoing } from "@sluice/testing";
import type { ServerHandle } from "@sluice/servers";
import { ensureLog } from "./log-setup.ts";
import { connectNats, type NatsLink } from "./nats-connection.ts";
import { NatsPartitionLog } from "./nats-partition-log.ts";
import { NatsStreamLog } from "./nats-stream-log.ts";

const DEADLINE = { timeout: 20_000, interval: 20 };

describe("a publish", () => {
  let server: ServerHandle;
  let link: NatsLink;
  let log: NatsStreamLog;

  beforeAll(async () => {
    server = await startNats({ local: true, syncInterval: "always" });
  });
  afterAll(async () => {
    await server.stop();
  });
  beforeEach(async () => {
    link = await connectNats({ servers: server.url, name: "producer" });
    const identity = await ensureLog(link, {
      replicas: 1,
      maxAgeMs: 3_600_000,
      maxBytes: 64 * 1024 * 1024,
      minRetentionMs: 300_000,
    });
    log = new NatsStreamLog(link, identity, { appendTimeoutMs: 500 });
  });
  afterEach(async () => {
    await link.close();
  });

  it("is refused at once while there is no server, and is not stored afterwards", async () => {
    const streamId = freshStreamId();
    await server.kill();
    await expect.poll(() => link.isConnected, DEADLINE).toBe(false);
    const startedAt = performance.now();
    await expect(log.append(outgoing({ streamId, expectedLastSequence: 0 }))).rejects.toMatchObject({
      code: "LOG_UNAVAILABLE",
    });
    expect(performance.now() - startedAt).toBeLessThan(400);
    await server.restart();
    await expect.poll(() => link.isConnected, DEADLINE).toBe(true);
    // What would still have been on its way stands before this one, since the connection keeps the order.
    await expect
      .poll(() => log.append(outgoing({ streamId, expectedLastSequence: 0 })).catch(() => null), DEADLINE)
      .toMatchObject({ kind: "stored" });
    const only = await log.firstAfter(streamId, 0);
    expect(await log.firstAfter(streamId, only!.brokerSequence)).toBeNull();
  });

  it("that was under way when the server died is never reported as stored unless it is", async () => {
    for (let round = 0; round < 5; round++) {
      const messages = Array.from({ length: 200 }, () =>
        outgoing({ streamId: freshStreamId(), expectedLastSequence: 0 }),
      );
      const outcomes = messages.map((message) =>
        log.append(message).catch((error: unknown) => ({ kind: "refused" as const, error })),
      );
      await Promise.race(outcomes);
      await server.kill();
      const settled = await Promise.all(outcomes);
      await server.restart();
      await expect.poll(() => log.lastMessage("nobody").catch(() => "away"), DEADLINE).toBeNull();
      for (const [index, outcome] of settled.entries()) {
        const stored = await log.lastMessage(messages[index]!.streamId);
        const isStored = stored?.messageId === messages[index]!.messageId;
        const mayBe = outcome.kind === "unknown" || isStored === (outcome.kind === "stored");
        expect({ outcome, isStored, mayBe }).toMatchObject({ mayBe: true });
      }
    }
  });

  it("against a server that hangs is unknown in time, and is found by a look-up when it wakes", async () => {
    const streamId = freshStreamId();
    const message = outgoing({ streamId, expectedLastSequence: 0 });
    await server.pause();
    const startedAt = performance.now();
    const outcome = await log.append(message);
    expect(outcome.kind).toBe("unknown");
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    await server.resume();
    await expect
      .poll(async () => (await log.firstAfter(streamId, 0).catch(() => null))?.messageId, DEADLINE)
      .toBe(message.messageId);
    expect(await log.append(message)).toEqual({ kind: "conflict" });
  });

  it("and each other request say that the log can't be reached while it can't", async () => {
    const partitionLog = new NatsPartitionLog(link, { partitions: 32, createdMs: 0 });
    const unavailable = { code: "LOG_UNAVAILABLE" };
    const { maxMessageBytes } = log;
    await server.kill();
    await expect.poll(() => link.isConnected, DEADLINE).toBe(false);
    // From its first attempt to reconnect on, the client has forgotten how much the server takes.
    await expect.poll(() => link.connection.info, DEADLINE).toBeUndefined();
    expect(log.maxMessageBytes).toBe(maxMessageBytes);
    const asked: (() => Promise<unknown>)[] = [
      () => log.append(outgoing({ streamId: freshStreamId(), expectedLastSequence: 0 })),
      () => log.lastMessage("a"),
      () => log.firstAfter("a", 0),
      () => log.purgeBefore("a", 1),
      () => partitionLog.facts(),
      () => partitionLog.timestampAt(1),
      () => partitionLog.positionBefore(1),
      () => partitionLog.read(0, 0, { maxPendingMessages: 10, maxPendingBytes: 10 }),
      () => partitionLog.readStream("a", 0, 10)[Symbol.asyncIterator]().next(),
      () =>
        partitionLog.reject({
          streamId: "a",
          brokerSequence: 1,
          index: 0,
          reason: "r",
          element: new Uint8Array(1),
        }),
    ];
    await Promise.all(asked.map((ask) => expect(ask()).rejects.toMatchObject(unavailable)));
    await server.restart();
  });
});

describe("a connection", () => {
  it("gives up connecting in time, with a sentence", async () => {
    const attempt = connectNats({ servers: "127.0.0.1:1", name: "nowhere", connectTimeoutMs: 300 });
    await expect(attempt).rejects.toMatchObject({ code: "CONNECTION" });
  });

  it("waits for a server that comes later", async () => {
    const server = await startNats({ local: true });
    await server.kill();
    const connecting = connectNats({ servers: server.url, name: "early" });
    await server.restart();
    const link = await connecting;
    expect(link.isConnected).toBe(true);
    await link.close();
    await server.stop();
  });

  it("closes in time though the server hangs, and tells that it ended", async () => {
    const server = await startNats({ local: true });
    const link = await connectNats({ servers: server.url, name: "closing" });
    await server.pause();
    const startedAt = performance.now();
    await Promise.all([link.close(), link.close()]);
    expect(performance.now() - startedAt).toBeLessThan(4_000);
    expect(await link.ended()).toBeNull();
    expect(link.isConnected).toBe(false);
    await server.resume();
    await server.stop();
  });
});
