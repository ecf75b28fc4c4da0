import { setTimeout as delay } from "node:timers/promises";
import { jetstream, jetstreamManager, type JetStreamClient, type JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import { StreamError, type Subscription } from "@sluice/core";

export interface NatsOptions {
  /** Addresses, comma separated: `nats://host:4222`, with `user:password@` or `token@` where the server wants it. */
  servers: string;
  /** Shown in the server's list of connections. */
  name: string;
  /** How long `connectNats` tries before it gives up. */
  connectTimeoutMs?: number;
  /** How long any request to the log may take. */
  requestTimeoutMs?: number;
}

const RECONNECT_WAIT_MS = 250;
const ATTEMPT_TIMEOUT_MS = 2_000;
const MIN_ATTEMPT_MS = 100;
// With the client's default of two minutes, a connection that was cut silently looks healthy for minutes.
const PING_INTERVAL_MS = 3_000;
const MAX_PINGS_OUT = 2;
// Past this a drain that waits for a dead server is given up, so that a process always ends.
const CLOSE_TIMEOUT_MS = 2_000;

/**
 * One connection to NATS, shared by a process's adapters. Reconnects for ever; a silently cut connection is found
 * within about nine seconds.
 */
export class NatsLink {
  readonly connection: NatsConnection;
  readonly jetStream: JetStreamClient;
  readonly jetStreamManager: JetStreamManager;
  #isConnected = true;
  #maxPayload: number;
  #closing: Promise<void> | undefined;
  readonly #reconnectHandlers = new Set<() => void>();

  /** Use `connectNats`. */
  constructor(connection: NatsConnection, jetStream: JetStreamClient, jetStreamManager: JetStreamManager) {
    this.connection = connection;
    this.jetStream = jetStream;
    this.jetStreamManager = jetStreamManager;
    this.#maxPayload = connection.info?.max_payload ?? 0;
    void this.#watch();
  }

  get isConnected(): boolean {
    return this.#isConnected && !this.connection.isClosed();
  }

  /** Largest message that the server takes, headers included, bytes; between connections, what the last one took. */
  get maxPayload(): number {
    // The client forgets the server's facts with the connection, and an outage must not make every message too large.
    return this.connection.info?.max_payload ?? this.#maxPayload;
  }

  /** Called after each re-established connection, when its subscriptions stand again. */
  onReconnect(handler: () => void): Subscription {
    // Wrapped, so that one function registered twice is two registrations.
    const entry = (): void => handler();
    this.#reconnectHandlers.add(entry);
    return { close: () => void this.#reconnectHandlers.delete(entry) };
  }

  /** Resolves when the connection has ended for good: to null after `close`, else to the error that ended it. */
  async ended(): Promise<Error | null> {
    const error = await this.connection.closed();
    return error instanceof Error ? error : null;
  }

  /** Sends what is still to be sent, for two seconds at most. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const giveUp = new AbortController();
    const deadline = delay(CLOSE_TIMEOUT_MS, undefined, { signal: giveUp.signal }).catch(() => undefined);
    // A drain without a server waits for one, and one that began during another fails: both end by `close`.
    const drained = this.isConnected ? this.connection.drain().catch(() => undefined) : undefined;
    if (drained !== undefined) await Promise.race([drained, deadline]);
    giveUp.abort();
    await this.connection.close();
    this.#isConnected = false;
  }

  async #watch(): Promise<void> {
    for await (const status of this.connection.status()) {
      if (status.type === "disconnect") this.#isConnected = false;
      if (status.type === "reconnect") {
        this.#isConnected = true;
        this.#maxPayload = this.maxPayload;
        for (const handler of this.#reconnectHandlers) handler();
      }
    }
    this.#isConnected = false;
  }
}

/**
 * Tries until a server answers, since services and servers start in any order.
 * @throws StreamError CONNECTION when none has within `connectTimeoutMs` (30 s); INVALID_REQUEST, at once, where the addresses
 * can't be read
 */
export async function connectNats(options: NatsOptions): Promise<NatsLink> {
  const deadline = Date.now() + (options.connectTimeoutMs ?? 30_000);
  const addresses = addressesOf(options.servers);
  for (;;) {
    try {
      const connection = await connect({
        ...addresses,
        name: options.name,
        timeout: Math.max(MIN_ATTEMPT_MS, Math.min(ATTEMPT_TIMEOUT_MS, deadline - Date.now())),
        maxReconnectAttempts: -1,
        reconnectTimeWait: RECONNECT_WAIT_MS,
        ignoreAuthErrorAbort: true,
        pingInterval: PING_INTERVAL_MS,
        maxPingOut: MAX_PINGS_OUT,
        // The stack of whoever asked, taken with each request in case it fails, was a quarter of what a publish costs.
        noAsyncTraces: true,
      });
      const jetStreamOptions = { timeout: options.requestTimeoutMs ?? 2_000 };
      const manager = await jetstreamManager(connection, { ...jetStreamOptions, checkAPI: false });
      return new NatsLink(connection, jetstream(connection, jetStreamOptions), manager);
    } catch (error) {
      if (Date.now() > deadline) {
        const reason = error instanceof Error ? error.message : String(error);
        throw new StreamError(
          "CONNECTION",
          `no NATS server answers at ${addresses.servers.join(", ")}: ${reason}`,
          {
            cause: error,
          },
        );
      }
      await delay(RECONNECT_WAIT_MS);
    }
  }
}

/**
 * The client takes credentials apart from addresses; those of the first address that has any count for all.
 * @throws StreamError INVALID_REQUEST; the client itself would try 127.0.0.1 where there is no address
 */
function addressesOf(servers: string): { servers: string[]; user?: string; pass?: string; token?: string } {
  const addresses = ((servers as string | undefined) ?? "")
    .split(",")
    .map((address) => address.trim())
    .filter((address) => address !== "")
    .map(addressOf);
  if (addresses.length === 0) {
    throw new StreamError(
      "INVALID_REQUEST",
      'no NATS server is named: give servers such as "nats://127.0.0.1:4222"',
    );
  }
  const { username, password } = addresses.find((address) => address.username !== "") ?? {};
  const names = addresses.map((address) => address.host);
  if (username === undefined) return { servers: names };
  if (password === undefined || password === "")
    return { servers: names, token: decodeURIComponent(username) };
  return { servers: names, user: decodeURIComponent(username), pass: decodeURIComponent(password) };
}

function addressOf(address: string): URL {
  const url = URL.parse(address.includes("://") ? address : `nats://${address}`);
  if (url !== null && url.host !== "") return url;
  // The address itself stays out of the message: it may hold a password.
  throw new StreamError(
    "INVALID_REQUEST",
    "a NATS address can't be read: write nats://host:4222, and commas between several",
  );
}
