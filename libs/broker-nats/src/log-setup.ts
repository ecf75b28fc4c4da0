import { setTimeout as delay } from "node:timers/promises";
import { DiscardPolicy, StorageType, type StreamConfig, type StreamInfo } from "@nats-io/jetstream";
import { millis, nanos } from "@nats-io/nats-core";
import { StreamError } from "@sluice/core";
import {
  CHUNKS_STREAM,
  chunkTransformTarget,
  DEFAULT_PARTITIONS,
  MAX_CHUNK_BYTES,
  REJECTED_STREAM,
  REJECTED_SUBJECTS,
  STREAM_SUBJECTS,
} from "@sluice/protocol";
import { askLog, JETSTREAM_ERROR, jetStreamErrorCode } from "./log-errors.ts";
import type { NatsLink } from "./nats-connection.ts";

/** Settings of a new log. Of one that exists only `partitions`, `minRetentionMs` and `maxChunkBytes` are checked. */
export interface LogOptions {
  /** Absent: 32 for a new log, whatever it has for an existing one. */
  partitions?: number;
  replicas: number;
  maxAgeMs: number;
  maxBytes: number;
  /** Time that the cache promises to keep chunks: a log that forgets sooner could not bring them back. */
  minRetentionMs: number;
  /** Largest chunk that the server must be able to carry; 1 MiB if absent. */
  maxChunkBytes?: number;
  rejectedMaxAgeMs?: number;
  rejectedMaxBytes?: number;
  /** How long to wait for a server that isn't ready yet; 15 s if absent. */
  setupTimeoutMs?: number;
}

/** Identity of a log, which never changes. */
export interface LogIdentity {
  readonly partitions: number;
  /** When it was created, ms; recorded with it, so all processes agree. */
  readonly createdMs: number;
}

/** Room for a message's subject, headers and the JSON around a chunk, beside its largest chunk. */
export const MESSAGE_OVERHEAD_BYTES = 64 * 1024;

// Before 2.11 a cluster can't compare-and-set on a transformed subject: every second message of a stream is refused.
const MIN_SERVER_MINOR = 11;
const DUPLICATE_WINDOW_MS = 120_000;
const DAY_MS = 86_400_000;
const LOG_POLL_MS = 200;
const PARTITIONS_KEY = "sluice-partitions";
const CREATED_KEY = "sluice-created-ms";

/**
 * Makes sure that the log is there and is one that Sluice can work with. Any number of processes may call it at once.
 * An existing log is never changed. A cluster that has just started can't place a log yet, hence the patience.
 * @throws StreamError LOG_INCOMPATIBLE with what to do; LOG_UNAVAILABLE when it isn't there within `setupTimeoutMs`
 */
export async function ensureLog(link: NatsLink, options: LogOptions): Promise<LogIdentity> {
  assertServer(link, options.maxChunkBytes ?? MAX_CHUNK_BYTES);
  return retryUntil(Date.now() + (options.setupTimeoutMs ?? 15_000), () => setUpLog(link, options));
}

async function setUpLog(link: NatsLink, options: LogOptions): Promise<LogIdentity> {
  const now = Date.now();
  const partitions = options.partitions ?? DEFAULT_PARTITIONS;
  const info = await ensureStream(link, {
    name: CHUNKS_STREAM,
    description: "Sluice: the chunks of all streams, as published",
    subjects: [STREAM_SUBJECTS],
    subject_transform: { src: STREAM_SUBJECTS, dest: chunkTransformTarget(partitions) },
    storage: StorageType.File,
    num_replicas: options.replicas,
    max_age: nanos(options.maxAgeMs),
    max_bytes: options.maxBytes,
    // A full log refuses what is new: it must not eat what was acknowledged.
    discard: DiscardPolicy.New,
    allow_direct: true,
    duplicate_window: nanos(Math.min(DUPLICATE_WINDOW_MS, options.maxAgeMs)),
    // A log made anew goes on above all positions of the one before it.
    first_seq: now,
    metadata: { [PARTITIONS_KEY]: String(partitions), [CREATED_KEY]: String(now) },
  });
  await ensureStream(link, {
    name: REJECTED_STREAM,
    description: "Sluice: elements that were refused, as published, with the reason",
    subjects: [REJECTED_SUBJECTS],
    storage: StorageType.File,
    num_replicas: options.replicas,
    max_age: nanos(options.rejectedMaxAgeMs ?? 7 * DAY_MS),
    max_bytes: options.rejectedMaxBytes ?? 256 * 1024 * 1024,
    discard: DiscardPolicy.Old,
    allow_direct: true,
    duplicate_window: nanos(DUPLICATE_WINDOW_MS),
  });
  return identityOf(info.config, options);
}

/**
 * Waits for the log that ingest makes. For services that only use it: they don't know its replicas and sizes, and one
 * that starts first must not make a small one.
 * @throws StreamError LOG_UNAVAILABLE when it isn't there in time, LOG_INCOMPATIBLE as `ensureLog`
 */
export async function awaitLog(link: NatsLink, timeoutMs: number): Promise<LogIdentity> {
  return retryUntil(Date.now() + timeoutMs, async () => {
    const info = await askLog("look for it", () => link.jetStreamManager.streams.info(CHUNKS_STREAM));
    return identityOf(info.config, { minRetentionMs: 0 });
  });
}

async function retryUntil<Answer>(deadline: number, attempt: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      const isFinal = error instanceof StreamError && error.code === "LOG_INCOMPATIBLE";
      if (isFinal || Date.now() > deadline) throw error;
    }
    await delay(LOG_POLL_MS);
  }
}

function assertServer(link: NatsLink, maxChunkBytes: number): void {
  const version = link.connection.info?.version ?? "0.0.0";
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major < 2 || (major === 2 && minor < MIN_SERVER_MINOR)) {
    throw incompatible(`nats-server is ${version}; Sluice needs 2.${MIN_SERVER_MINOR} or newer`);
  }
  const largest = link.maxPayload - MESSAGE_OVERHEAD_BYTES;
  if (largest < maxChunkBytes) {
    const needed = maxChunkBytes + MESSAGE_OVERHEAD_BYTES;
    throw incompatible(
      `the server's max_payload of ${link.maxPayload} bytes can't carry chunks of ${maxChunkBytes}: ` +
        `set max_payload to ${needed} or more in nats.conf, or lower the largest chunk to ${Math.max(largest, 0)}`,
    );
  }
}

/** The stream as it is now, made by us or by whoever was faster. */
async function ensureStream(
  link: NatsLink,
  config: Partial<StreamConfig> & { name: string },
): Promise<StreamInfo> {
  const { streams } = link.jetStreamManager;
  return askLog(`set up ${config.name}`, async () => {
    const existing = await streams.info(config.name).catch((error: unknown) => {
      if (jetStreamErrorCode(error) === JETSTREAM_ERROR.streamNotFound) return null;
      throw error;
    });
    if (existing !== null) return existing;
    try {
      return await streams.add(config);
    } catch (error) {
      if (jetStreamErrorCode(error) === JETSTREAM_ERROR.nameInUse) return streams.info(config.name);
      throw error;
    }
  });
}

function identityOf(
  config: StreamConfig,
  options: Pick<LogOptions, "partitions" | "minRetentionMs">,
): LogIdentity {
  const partitions = Number(config.metadata?.[PARTITIONS_KEY]);
  const createdMs = createdMsOf(config);
  if (!Number.isSafeInteger(partitions) || createdMs === null) {
    throw incompatible(
      `the JetStream stream ${CHUNKS_STREAM} was not made by Sluice: delete or rename it, or use another NATS account`,
    );
  }
  if (options.partitions !== undefined && options.partitions !== partitions) {
    throw incompatible(
      `the log has ${partitions} partitions and can't be split anew: set the number of partitions to ${partitions}, not ${options.partitions}`,
    );
  }
  const transform = config.subject_transform;
  if (transform?.src !== STREAM_SUBJECTS || transform.dest !== chunkTransformTarget(partitions)) {
    throw incompatible(
      `the stream ${CHUNKS_STREAM} lost its subject transform: set it back to "${STREAM_SUBJECTS}" → "${chunkTransformTarget(partitions)}"`,
    );
  }
  if (!config.allow_direct) {
    throw incompatible(`the stream ${CHUNKS_STREAM} doesn't allow direct reads: set allow_direct on it`);
  }
  if (config.discard !== DiscardPolicy.New) {
    throw incompatible(
      `the stream ${CHUNKS_STREAM} discards old messages when it is full, which loses chunks: set its discard policy to "new"`,
    );
  }
  const maxAgeMs = config.max_age === 0 ? Infinity : millis(config.max_age);
  if (maxAgeMs < options.minRetentionMs) {
    throw incompatible(
      `the log forgets after ${maxAgeMs} ms, but the cache promises ${options.minRetentionMs} ms: ` +
        `raise max_age of ${CHUNKS_STREAM} or lower the cache's time to live`,
    );
  }
  return { partitions, createdMs };
}

/** The recorded time of the log's creation, or null where Sluice didn't make it. */
export function createdMsOf(config: StreamConfig): number | null {
  const createdMs = Number(config.metadata?.[CREATED_KEY]);
  return Number.isSafeInteger(createdMs) ? createdMs : null;
}

function incompatible(message: string): StreamError {
  return new StreamError("LOG_INCOMPATIBLE", message);
}
