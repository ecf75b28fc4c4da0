import {
  awaitLog,
  connectNats,
  NatsCancelFeed,
  NatsLiveFeed,
  NatsPressureFeed,
  NatsReaderPresence,
  NatsReceiptFeed,
  NatsStreamLog,
  type NatsLink,
} from "@sluice/broker-nats";
import type { ProducerSettings } from "./settings.ts";
import { StreamManager } from "./stream-manager.ts";

export interface ConnectOptions {
  /** NATS addresses, comma separated. */
  servers: string;
  /** Shown in the server's list of connections. */
  name?: string;
  settings?: Partial<ProducerSettings>;
  /**
   * How long to wait, in all, for a server and for ingest to have made the log, ms; 5,000 if absent. Give more where the
   * process starts together with its servers.
   */
  connectTimeoutMs?: number;
}

// Whoever waits for it may be answering a request.
const CONNECT_TIMEOUT_MS = 5_000;

/**
 * Connects to NATS; the manager's `close` ends the connection. Reconnects by itself.
 * @throws StreamError CONNECTION, LOG_UNAVAILABLE when there is no server or no log in time; INVALID_REQUEST where `servers`
 * has no address that can be read; LOG_INCOMPATIBLE
 */
export async function connectProducer(options: ConnectOptions): Promise<StreamManager> {
  const { servers, name = "sluice-producer", connectTimeoutMs = CONNECT_TIMEOUT_MS } = options;
  const deadlineMs = Date.now() + connectTimeoutMs;
  const link = await connectNats({ servers, name, connectTimeoutMs });
  try {
    const remainingMs = Math.max(0, deadlineMs - Date.now());
    return await createManager(link, { ...options, connectTimeoutMs: remainingMs }, () => link.close());
  } catch (error) {
    await link.close();
    throw error;
  }
}

/**
 * The same on a connection that the process has already, and goes on using when the manager is closed. Waits 30 s for the log
 * if not told otherwise: services and servers start in any order.
 */
export async function createManager(
  link: NatsLink,
  { settings = {}, connectTimeoutMs = 30_000 }: Pick<ConnectOptions, "settings" | "connectTimeoutMs"> = {},
  closeLog: () => Promise<void> = () => Promise.resolve(),
): Promise<StreamManager> {
  return new StreamManager({
    log: new NatsStreamLog(link, await awaitLog(link, connectTimeoutMs)),
    settings,
    liveFeed: new NatsLiveFeed(link),
    cancelFeed: new NatsCancelFeed(link),
    readerPresence: new NatsReaderPresence(link),
    pressureFeed: new NatsPressureFeed(link),
    receiptFeed: new NatsReceiptFeed(link),
    closeLog,
  });
}
