import { afterAll, beforeAll, describe } from "vitest";
import { streamSubject } from "@sluice/protocol";
import {
  partitionLogContract,
  startNatsCluster,
  streamLogContract,
  type LogUnderTest,
  type NatsCluster,
} from "@sluice/testing";
import { ensureLog } from "./log-setup.ts";
import { connectNats } from "./nats-connection.ts";
import { NatsPartitionLog } from "./nats-partition-log.ts";
import { NatsStreamLog } from "./nats-stream-log.ts";

// Servers of a cluster check a publish before they agree on it, on another way through their code than a single one.
describe("on a cluster of three NATS servers", () => {
  let cluster: NatsCluster;

  beforeAll(async () => {
    cluster = await startNatsCluster(3);
  });
  afterAll(async () => {
    await cluster.stop();
  });

  const openLog = async (): Promise<LogUnderTest> => {
    const link = await connectNats({ servers: cluster.url, name: "log" });
    const log = await ensureLog(link, {
      replicas: 3,
      maxAgeMs: 3_600_000,
      maxBytes: 256 * 1024 * 1024,
      minRetentionMs: 300_000,
    });
    return {
      streamLog: new NatsStreamLog(link, log),
      partitionLog: new NatsPartitionLog(link, log),
      publishBare: async (streamId, payload) =>
        void (await link.jetStream.publish(streamSubject(streamId), payload)),
      close: () => link.close(),
    };
  };

  streamLogContract("NatsStreamLog", openLog);
  partitionLogContract("NatsPartitionLog", openLog);
});
