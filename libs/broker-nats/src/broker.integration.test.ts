import { afterAll, beforeAll, describe } from "vitest";
import {
  startNats,
  cancelFeedContract,
  edgePeersContract,
  liveFeedContract,
  partitionLogContract,
  pressureFeedContract,
  promptQueueContract,
  receiptFeedContract,
  readerPresenceContract,
  rejectedElementsContract,
  serviceReportsContract,
  streamLogContract,
} from "@sluice/testing";
import type { ServerHandle } from "@sluice/servers";
import { NatsCancelFeed } from "./nats-cancel-feed.ts";
import { connectNats } from "./nats-connection.ts";
import { NatsEdgePeers } from "./nats-edge-peers.ts";
import { NatsLiveFeed } from "./nats-live-feed.ts";
import { NatsPressureFeed } from "./nats-pressure-feed.ts";
import { NatsPromptQueue } from "./nats-prompt-queue.ts";
import { NatsServiceReports } from "./nats-service-reports.ts";
import { NatsReceiptFeed } from "./nats-receipt-feed.ts";
import { openNatsLog } from "./nats-log-under-test.ts";
import { NatsReaderPresence } from "./nats-reader-presence.ts";

describe("on a NATS server", () => {
  let server: ServerHandle;

  beforeAll(async () => {
    server = await startNats({ local: true });
  });
  afterAll(async () => {
    await server.stop();
  });

  const openLog = (): ReturnType<typeof openNatsLog> => openNatsLog(server.url, 1);

  streamLogContract("NatsStreamLog", openLog);
  partitionLogContract("NatsPartitionLog", openLog);
  rejectedElementsContract("NatsRejectedElements", async () => {
    const { partitionLog: log, rejected, close } = await openLog();
    return { log, rejected, close };
  });

  liveFeedContract("NatsLiveFeed", async () => {
    const [owner, edge] = await Promise.all([
      connectNats({ servers: server.url, name: "owner" }),
      connectNats({ servers: server.url, name: "edge" }),
    ]);
    return {
      owner: new NatsLiveFeed(owner),
      edge: new NatsLiveFeed(edge),
      reconnectEdge: () => edge.connection.reconnect(),
      close: async () => void (await Promise.all([owner.close(), edge.close()])),
    };
  });

  edgePeersContract("NatsEdgePeers", async () => {
    const names = ["asker", "pod 1", "pod 2"] as const;
    const [asker, first, second] = await Promise.all(
      names.map((name) => connectNats({ servers: server.url, name })),
    );
    if (asker === undefined || first === undefined || second === undefined) throw new Error("three links");
    return {
      asker: new NatsEdgePeers(asker),
      pods: [new NatsEdgePeers(first), new NatsEdgePeers(second)],
      settle: async () => void (await Promise.all([first.connection.flush(), second.connection.flush()])),
      close: async () => void (await Promise.all([asker.close(), first.close(), second.close()])),
    };
  });

  cancelFeedContract("NatsCancelFeed", async () => {
    const names = ["reader", "owner", "producer"] as const;
    const links = await Promise.all(names.map((name) => connectNats({ servers: server.url, name })));
    const [reader, owner, producer] = links;
    if (reader === undefined || owner === undefined || producer === undefined) throw new Error("three links");
    return {
      reader: new NatsCancelFeed(reader),
      owner: new NatsCancelFeed(owner),
      producer: new NatsCancelFeed(producer),
      settle: async () => {
        const open = [owner, producer].filter((link) => link.isConnected);
        await Promise.all(open.map((link) => link.connection.flush()));
      },
      cutOwnerOff: () => owner.close(),
      close: async () => void (await Promise.all(links.map((link) => link.close()))),
    };
  });

  readerPresenceContract("NatsReaderPresence", async () => {
    const names = ["asker", "pod 1", "pod 2"] as const;
    const links = await Promise.all(names.map((name) => connectNats({ servers: server.url, name })));
    const [asker, first, second] = links;
    if (asker === undefined || first === undefined || second === undefined) throw new Error("three links");
    return {
      asker: new NatsReaderPresence(asker),
      pods: [new NatsReaderPresence(first), new NatsReaderPresence(second)],
      settle: async () => void (await Promise.all([first.connection.flush(), second.connection.flush()])),
      close: async () => void (await Promise.all(links.map((link) => link.close()))),
    };
  });

  pressureFeedContract("NatsPressureFeed", async () => {
    const [owner, producer] = await Promise.all([
      connectNats({ servers: server.url, name: "owner" }),
      connectNats({ servers: server.url, name: "producer" }),
    ]);
    return {
      owner: new NatsPressureFeed(owner),
      producer: new NatsPressureFeed(producer),
      settle: () => producer.connection.flush(),
      close: async () => void (await Promise.all([owner.close(), producer.close()])),
    };
  });

  serviceReportsContract("NatsServiceReports", async () => {
    const names = ["asker", "process 1", "process 2"] as const;
    const [asker, first, second] = await Promise.all(
      names.map((name) => connectNats({ servers: server.url, name })),
    );
    if (asker === undefined || first === undefined || second === undefined) throw new Error("three links");
    return {
      asker: new NatsServiceReports(asker),
      processes: [new NatsServiceReports(first), new NatsServiceReports(second)],
      settle: async () => void (await Promise.all([first.connection.flush(), second.connection.flush()])),
      close: async () => void (await Promise.all([asker.close(), first.close(), second.close()])),
    };
  });

  receiptFeedContract("NatsReceiptFeed", async () => {
    const [owner, producer] = await Promise.all([
      connectNats({ servers: server.url, name: "owner" }),
      connectNats({ servers: server.url, name: "producer" }),
    ]);
    return {
      owner: new NatsReceiptFeed(owner),
      producer: new NatsReceiptFeed(producer),
      settle: async () => void (await Promise.all([owner.connection.flush(), producer.connection.flush()])),
      close: async () => void (await Promise.all([owner.close(), producer.close()])),
    };
  });

  promptQueueContract("NatsPromptQueue", async () => {
    const [asker, worker] = await Promise.all([
      connectNats({ servers: server.url, name: "asker" }),
      connectNats({ servers: server.url, name: "worker" }),
    ]);
    return {
      asker: new NatsPromptQueue(asker),
      worker: new NatsPromptQueue(worker),
      settle: () => worker.connection.flush(),
      close: async () => void (await Promise.all([asker.close(), worker.close()])),
    };
  });
});
