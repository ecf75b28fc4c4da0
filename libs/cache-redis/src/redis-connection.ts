import { StreamError } from "@sluice/core";
import { Cluster, Redis, type ClusterOptions, type RedisOptions } from "ioredis";
import {
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
    // What wasn't answered when a connection broke is sent once more over the next one, and fails where there is none
    // at the first attempt: each call here may take effect twice. Without resending, the client (6.0.0) forgets such
    // calls on a quick reconnect, and waits for their pipeline for ever, with everything that comes later behind it.
    autoResendUnfulfilledCommands: true,
    maxRetriesPerRequest: 1,
  } satisfies RedisOptions;
  const pipelining = {
    scripts: loadScripts(),
    enableAutoPipelining: true,
    autoPipeliningIgnoredCommands: UNPIPELINED_COMMANDS,
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
  #closing: Promise<void> | null = null;

  constructor(client: Redis | Cluster, options: RedisConnectionOptions) {
    this.#client = client;
    this.#commandTimeoutMs = options.commandTimeoutMs ?? DEFAULT_COMMAND_TIMEOUT_MS;
    // Without a listener the client prints to stderr.
    client.on("error", (error: Error) => options.onError?.(error));
  }

  /**
   * @param what the operation, for the error: "read a page"
   * @throws StreamError CACHE_UNAVAILABLE where Redis can't be reached, doesn't answer in time or refuses for a while;
   * the operation may have taken effect all the same
   */
  async run<T>(what: string, operation: (client: Redis | Cluster) => Promise<T>): Promise<T> {
    if (this.#closing !== null)
      throw new StreamError("CACHE_UNAVAILABLE", `could not ${what}: the connection is closed`);
    const deadline = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      deadline.reject(new Error(`no answer within ${this.#commandTimeoutMs} ms`));
    }, this.#commandTimeoutMs);
    try {
      return await Promise.race([operation(this.#client), deadline.promise]);
    } catch (error) {
      throw translateError(what, error);
    } finally {
      clearTimeout(timer);
    }
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

  /** Resolves when Redis answers. For readiness. */
  async ping(): Promise<void> {
    await this.run("ping", (client) => client.ping());
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
