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

/** Options of {@link connectProducer}. */
export interface ConnectOptions {
  /** NATS addresses, comma separated: `nats://host:4222`, with `user:password@` or `token@` before the first host. */
  servers: string;
  /**
   * Name of the connection, as the NATS server lists it.
   * @defaultValue `"sluice-producer"`
   */
  name?: string;
  /** Bounds of every handle. Those that are absent have the defaults of {@link ProducerSettings}. */
  settings?: Partial<ProducerSettings>;
  /**
   * Time to wait, in all, for a server and for the log that ingest makes, ms. Give more if the process starts together with its
   * servers.
   * @defaultValue `5_000`
   */
  connectTimeoutMs?: number;
}

// Whoever waits for it may be answering a request.
const CONNECT_TIMEOUT_MS = 5_000;

/**
 * Connects to NATS and returns the manager of this process' streams. The connection comes back by itself after a loss;
 * the manager's `close` ends it. One manager is enough for a process: all of its streams share one connection.
 * @throws StreamError CONNECTION if no server can be reached in time; LOG_UNAVAILABLE if ingest has made no log in time;
 * INVALID_REQUEST if `servers` has no address that can be read; LOG_INCOMPATIBLE if the log is not one that Sluice can use
 * @example
 * ```ts
 * import { connectProducer } from "@sluice/producer";
 *
 * await using manager = await connectProducer({ servers: "nats://127.0.0.1:4222" });
 * const { streamId, handle } = await manager.createStream();
 * console.log(`readers: /streams/${streamId}/events`);
 * await handle.sendText("Hello");
 * await handle.sendComplete();
 * ```
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
 * Makes a manager on a connection that the process has already, and keeps when the manager is closed.
 * @param options.settings as in {@link ConnectOptions}
 * @param options.connectTimeoutMs time to wait for the log that ingest makes, ms; by default 30,000, since services and servers
 * start in any order
 * @param closeLog called once all handles are closed
 * @throws StreamError LOG_UNAVAILABLE if there is no log in time; LOG_INCOMPATIBLE
 */
export async function createManager(
  link: NatsLink,
  options: Pick<ConnectOptions, "settings" | "connectTimeoutMs"> = {},
  closeLog: () => Promise<void> = () => Promise.resolve(),
): Promise<StreamManager> {
  const { settings = {}, connectTimeoutMs = 30_000 } = options;
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
