export {
  awaitLog,
  ensureLog,
  MESSAGE_OVERHEAD_BYTES,
  type LogIdentity,
  type LogOptions,
} from "./log-setup.ts";
export { NatsCancelFeed } from "./nats-cancel-feed.ts";
export { connectNats, NatsLink, type NatsOptions } from "./nats-connection.ts";
export { NatsEdgePeers } from "./nats-edge-peers.ts";
export { NatsLiveFeed, type LiveFeedOptions } from "./nats-live-feed.ts";
export { NatsPartitionLog } from "./nats-partition-log.ts";
export { NatsPressureFeed } from "./nats-pressure-feed.ts";
export { NatsPromptQueue } from "./nats-prompt-queue.ts";
export { NatsReaderPresence } from "./nats-reader-presence.ts";
export { NatsRejectedElements } from "./nats-rejected-elements.ts";
export { NatsServiceReports } from "./nats-service-reports.ts";
export { NatsReceiptFeed } from "./nats-receipt-feed.ts";
export { NatsStreamLog } from "./nats-stream-log.ts";
