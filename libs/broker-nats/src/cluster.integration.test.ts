import { afterAll, beforeAll, describe } from "vitest";
import {
  startNatsCluster,
  type NatsCluster,
  partitionLogContract,
  streamLogContract,
  type LogUnderTest,
} from "@sluice/testing";
import { openNatsLog } from "./nats-log-under-test.ts";

// Servers of a cluster check a publish before they agree on it, on another way through their code than a single one.
describe("on a cluster of three NATS servers", () => {
  let cluster: NatsCluster;

  beforeAll(async () => {
    cluster = await startNatsCluster(3);
  });
  afterAll(async () => {
    await cluster.stop();
  });

  const openLog = (): Promise<LogUnderTest> => openNatsLog(cluster.url, 3);

  streamLogContract("NatsStreamLog", openLog);
  partitionLogContract("NatsPartitionLog", openLog);
});
