import { StreamError } from "@sluice/core";
import { Cluster, Redis, type ClusterOptions, type RedisOptions } from "ioredis";
import {
  BULK_READ_COMMAND,
  commandName,
  loadScripts,
  SCRIPT_COMMANDS,
  UNPIPELINED_COMMANDS,
  type ScriptName,
} from "./redis-scripts.ts";
import { parseRedisUrl, type RedisLocation } from "./redis-url.ts";

export interface RedisConnectionOptions {
  /** Longest that a call waits for its answer, connecting included, ms. */
  commandTimeoutMs?: number;
  /** Shown in Redis' CLIENT LIST. */
  connectionName?: string;
  /** Told of connection errors, which are retried for ever. Calls that fail meanwhile throw on their own. */
  onError?: (error: Error) => void;
}

const DEFAULT_COMMAND_TIMEOUT_MS = 1500;

// A call that was given up stays in the client's queue until its answer comes. Without this a Redis that is paused,
// not closed, would fill the heap with them.
const SOCKET_TIMEOUT_MS = 3000;

// One that was sent again and again would be what makes each next connection break, and no other call would get its turn.
const MAX_ATTEMPTS = 2;

const CONNECT_TIMEOUT_MS = 1000;
const MAX_RECONNECT_DELAY_MS = 500;

/** Connects at once and for ever; does not wait for it. @throws Error where the URL is malformed */
export function createRedis(url: string, options: RedisConnectionOptions = {}): RedisConnection {
  return new RedisConnection(createClient(parseRedisUrl(url), options), options);
}

/** A client of masters only: a replica may lack what was acknowledged. */
function createClient(location: RedisLocation, options: RedisConnectionOptions): Redis | Cluster {
  const shared = {
    ...(location.username === null ? {} : { username: location.username }),
    ...(location.password === null ? {} : { password: location.password }),
    ...(location.usesTls ? { tls: {} } : {}),
    ...(options.connectionName === undefined ? {} : { connectionName: options.connectionName }),
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SOCKET_TIMEOUT_MS,
    // Whatever wasn't answered when a connection broke fails at once, and `run` sends it once more where it is still wanted.
    // The client itself (6.0.0) would send all of it again over each next connection, for as long as that breaks under it;
    // or, told not to, forget calls on a quick reconnect and wait for their pipeline for ever, with all later ones behind.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
  } satisfies RedisOptions;
  const pipelining = {
    scripts: loadScripts(),
    enableAutoPipelining: true,
    autoPipeliningIgnoredCommands: [...UNPIPELINED_COMMANDS, BULK_READ_COMMAND],
  } satisfies RedisOptions & ClusterOptions;
  const backoff = (attempt: number): number => Math.min(attempt * 50, MAX_RECONNECT_DELAY_MS);

  if (location.kind === "cluster") {
    return new Cluster([...location.nodes], {
      ...pipelining,
      // Before it shares a pipeline the client asks one node whether it knows the scripts, and takes that for all.
      autoPipeliningIgnoredCommands: SCRIPT_COMMANDS,
      redisOptions: shared,
      scaleReads: "master",
      clusterRetryStrategy: backoff,
      // 0: what a node that went away hasn't answered fails at once, as above; else it would be sent up to 16 times.
      retryDelayOnFailover: 0,
    });
  }
  const single: RedisOptions = {
    ...shared,
    ...pipelining,
    ...serverOf(location),
    db: location.database,
    retryStrategy: backoff,
    // A master that was demoted answers so until the connection is made anew.
    reconnectOnError: (error) => error.message.startsWith("READONLY"),
  };
  // Named once more, since the client's types choose the shape of replies by it.
  return new Redis({ ...single, replyMapping: "legacy" });
}

function serverOf(location: RedisLocation): RedisOptions {
  if (location.kind === "sentinel" && location.masterName !== null) {
    return {
      sentinels: [...location.nodes],
      name: location.masterName,
      role: "master",
      sentinelRetryStrategy: (attempt) => Math.min(attempt * 50, MAX_RECONNECT_DELAY_MS),
      enableTLSForSentinelMode: location.usesTls,
    };
  }
  const [server] = location.nodes;
  if (server === undefined) throw new Error("a Redis location has at least one node");
  return server;
}

/**
 * One client of Redis, shared by the adapters of a process. All calls go through `run` or `script`, which bound their
 * time and keep the client's errors in here.
 */
export class RedisConnection {
  readonly #client: Redis | Cluster;
  readonly #commandTimeoutMs: number;
  #readiness: Promise<void> | null = null;
  #closing: Promise<void> | null = null;

  constructor(client: Redis | Cluster, options: RedisConnectionOptions) {
    this.#client = client;
    this.#commandTimeoutMs = options.commandTimeoutMs ?? DEFAULT_COMMAND_TIMEOUT_MS;
    // Without a listener the client prints to stderr.
    client.on("error", (error: Error) => options.onError?.(error));
  }

  /**
   * @param what the operation, for the error: "read a page"
   * @param operation called once more where the connection breaks under it, so it may take effect twice
   * @throws StreamError CACHE_UNAVAILABLE where Redis can't be reached, doesn't answer in time or refuses for a while;
   * the operation may have taken effect all the same
   */
  async run<T>(
    what: string,
    operation: (client: Redis | Cluster) => Promise<T>,
    timeoutMs = this.#commandTimeoutMs,
  ): Promise<T> {
    if (this.#closing !== null)
      throw new StreamError("CACHE_UNAVAILABLE", `could not ${what}: the connection is closed`);
    const deadline = Promise.withResolvers<never>();
    let isWanted = true;
    const timer = setTimeout(() => {
      isWanted = false;
      deadline.reject(new Error(`no answer within ${timeoutMs} ms`));
    }, timeoutMs);
    try {
      return await Promise.race([this.#send(operation, () => isWanted), deadline.promise]);
    } catch (error) {
      throw translateError(what, error);
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Hands an operation to the client while it is connected only, so that nothing waits in the client's own queues, where
   * it couldn't be given up. Once more where the connection broke before the answer, and the caller still waits.
   */
  async #send<T>(operation: (client: Redis | Cluster) => Promise<T>, isWanted: () => boolean): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      if (this.#client.status !== "ready") await this.#untilReady();
      if (!isWanted()) throw new Error("nobody waits for the answer any more");
      try {
        return await operation(this.#client);
      } catch (error) {
        if (attempt === MAX_ATTEMPTS || !isConnectionLoss(error) || !isWanted()) throw error;
      }
    }
  }

  /** Rejects where the attempt to connect that is under way fails. One promise for all who wait. */
  #untilReady(): Promise<void> {
    if (this.#closing !== null) return Promise.reject(new Error("the connection is closed"));
    this.#readiness ??= new Promise<void>((resolve, reject) => {
      const onReady = (): void => settle(resolve);
      const onClose = (): void => settle(() => reject(new Error("not connected")));
      const settle = (then: () => void): void => {
        this.#client.off("ready", onReady).off("close", onClose).off("end", onClose);
        this.#readiness = null;
        then();
      };
      this.#client.on("ready", onReady).on("close", onClose).on("end", onClose);
    });
    return this.#readiness;
  }

  /** Runs a script. Strings in its reply are Buffers, so that cached JSON is never decoded on its way. */
  script(
    what: string,
    name: ScriptName,
    keys: readonly string[],
    args: readonly (string | number | Buffer)[],
  ): Promise<unknown> {
    const method = `${commandName(name)}Buffer`;
    // An array, not a spread: a batch has more arguments than the stack holds.
    const parameters: unknown[] = UNPIPELINED_COMMANDS.includes(commandName(name))
      ? [keys.length, [...keys, ...args]]
      : [[...keys, ...args]];
    return this.run(
      what,
      (client) => scriptMethods(client)[method]?.(...parameters) ?? Promise.reject(new Error(`no ${method}`)),
    );
  }

  /** Resolves when Redis answers. For readiness. @param timeoutMs default: as all calls */
  async ping(timeoutMs?: number): Promise<void> {
    await this.run("ping", (client) => client.ping(), timeoutMs);
  }

  /** Drops the connection; pending calls fail. Idempotent, returns the same promise. */
  close(): Promise<void> {
    this.#closing ??= Promise.resolve(this.#client.disconnect());
    return this.#closing;
  }
}

/** The client's methods that `scripts` adds at run time, unknown to its types. */
function scriptMethods(client: Redis | Cluster): Record<string, (...args: unknown[]) => Promise<unknown>> {
  return client as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
}

/** The connection broke before the answer came: the client fails each such call so. */
function isConnectionLoss(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return (
    error.name === "MaxRetriesPerRequestError" ||
    error.name === "AbortError" ||
    error.message === "Connection is closed."
  );
}

/** A script that fails, or a key of a foreign type, is a bug here; everything else is Redis not being able to. */
function translateError(what: string, error: unknown): Error {
  const message = error instanceof Error ? error.message : String(error);
  if (/^WRONGTYPE|^ERR .*(user_script|Error running script|Error compiling script)/.test(message)) {
    return new Error(`could not ${what}: ${message}`, { cause: error });
  }
  return new StreamError("CACHE_UNAVAILABLE", `could not ${what}: the cache is unavailable`, {
    cause: error,
  });
}
