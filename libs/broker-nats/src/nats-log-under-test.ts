import { streamSubject } from "@sluice/protocol";
import { ensureLog } from "./log-setup.ts";
import { connectNats } from "./nats-connection.ts";
import { NatsPartitionLog } from "./nats-partition-log.ts";
import { NatsRejectedElements } from "./nats-rejected-elements.ts";
import { NatsStreamLog } from "./nats-stream-log.ts";

/** The log on real servers, in the shape that the contract suites take; for tests only. */
export async function openNatsLog(servers: string, replicas: number) {
  const link = await connectNats({ servers, name: "log" });
  const log = await ensureLog(link, {
    replicas,
    maxAgeMs: 3_600_000,
    maxBytes: 256 * 1024 * 1024,
    minRetentionMs: 300_000,
  });
  return {
    streamLog: new NatsStreamLog(link, log),
    partitionLog: new NatsPartitionLog(link, log),
    rejected: new NatsRejectedElements(link),
    publishBare: async (streamId: string, payload: Uint8Array) =>
      void (await link.jetStream.publish(streamSubject(streamId), payload)),
    close: () => link.close(),
  };
}
