import { afterAll, afterEach, beforeAll, expect, it, vi } from "vitest";
import { nanos } from "@nats-io/nats-core";
import { CHUNKS_STREAM, chunkSubject } from "@sluice/protocol";
import { startNats, freshStreamId, outgoing } from "@sluice/testing";
import type { ServerHandle } from "@sluice/servers";
import { ensureLog } from "./log-setup.ts";
import { connectNats, type NatsLink } from "./nats-connection.ts";
import { NatsPartitionLog } from "./nats-partition-log.ts";
import { NatsStreamLog } from "./nats-stream-log.ts";

const STREAMS = 200;

let nats: ServerHandle;
let link: NatsLink;
let log: NatsPartitionLog;
let streams: string[];

beforeAll(async () => {
  nats = await startNats();
  link = await connectNats({ servers: nats.url, name: "last-messages" });
  const identity = await ensureLog(link, {
    partitions: 1,
    replicas: 1,
    maxAgeMs: 3_600_000,
    maxBytes: 64 * 1024 * 1024,
    minRetentionMs: 300_000,
  });
  log = new NatsPartitionLog(link, identity);
  const streamLog = new NatsStreamLog(link, identity);
  streams = Array.from({ length: STREAMS }, () => freshStreamId());
  for (const streamId of streams) await streamLog.append(outgoing({ streamId, expectedLastSequence: 0 }));
});
afterEach(() => vi.restoreAllMocks());
afterAll(async () => {
  await link.close();
  await nats.stop();
});

async function loseAllSessions(): Promise<void> {
  const { consumers } = link.jetStreamManager;
  for await (const { name } of consumers.list(CHUNKS_STREAM)) await consumers.delete(CHUNKS_STREAM, name);
}

/** Sessions are with a replica that lags for longer than a pull lasts: it knows of the first stream only. */
function lag(sessions: number): void {
  const { consumers } = link.jetStreamManager;
  const add = consumers.add.bind(consumers);
  const adding = vi.spyOn(consumers, "add");
  for (let session = 0; session < sessions; session++) {
    adding.mockImplementationOnce((jetStream, config) =>
      add(jetStream, { ...config, filter_subject: chunkSubject(0, streams[0]!) }),
    );
  }
  // Pulls that wait are over soon; the server takes no heartbeats in so short a time.
  const publish = link.connection.publish.bind(link.connection);
  vi.spyOn(link.connection, "publish").mockImplementation((subject, payload, options) => {
    const isPull = subject.includes(".CONSUMER.MSG.NEXT.");
    const { batch } = isPull ? (JSON.parse(String(payload)) as { batch: number }) : { batch: 0 };
    publish(subject, isPull ? JSON.stringify({ batch, expires: nanos(200) }) : payload, options);
  });
}

it("are told in full though a replica lags for longer than a pull lasts", async () => {
  lag(1);
  const told: string[] = [];
  for await (const page of log.lastMessages(0)) told.push(...page.map((message) => message.streamId));
  expect(told).toEqual(streams);
});

it("are said to be out of reach where each replica asked lags", async () => {
  lag(4);
  const reading = (async () => {
    for await (const _ of log.lastMessages(0));
  })();
  await expect(reading).rejects.toMatchObject({ code: "LOG_UNAVAILABLE" });
});

it("are told once each, in order, though the server loses the session half-way", async () => {
  const told: string[] = [];
  for await (const page of log.lastMessages(0)) {
    if (told.length === 0) await loseAllSessions();
    told.push(...page.map((message) => message.streamId));
  }
  expect(told).toEqual(streams);
});

it("are said to be out of reach where each session is lost", async () => {
  const reading = (async () => {
    for await (const _ of log.lastMessages(0)) await loseAllSessions();
  })();
  await expect(reading).rejects.toMatchObject({ code: "LOG_UNAVAILABLE" });
});
