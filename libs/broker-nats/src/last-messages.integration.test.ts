import { afterAll, beforeAll, expect, it } from "vitest";
import { CHUNKS_STREAM } from "@sluice/protocol";
import { freshStreamId, outgoing, startNats, type ServerHandle } from "@sluice/testing";
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
afterAll(async () => {
  await link.close();
  await nats.stop();
});

async function loseAllSessions(): Promise<void> {
  const { consumers } = link.jetStreamManager;
  for await (const { name } of consumers.list(CHUNKS_STREAM)) await consumers.delete(CHUNKS_STREAM, name);
}

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
