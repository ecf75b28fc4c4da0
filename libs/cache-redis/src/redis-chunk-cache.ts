import {
  assertAppendBatch,
  mergeRecentStreams,
  partitionOf,
  type AppendBatch,
  type AppendOutcome,
  type CachedChunk,
  type CancelReason,
  type CancelRequest,
  type Checkpoint,
  type ChunkCache,
  type ListedStream,
  type PageBounds,
  type RecentQuery,
  type RecentStreams,
  type RestoredPage,
  type StreamInfo,
  type StreamPage,
  type StreamStatus,
} from "@sluice/core";
import {
  cacheTtlOfOptions,
  checkpointKey,
  chunksKey,
  endedStreamsKey,
  metaKey,
  openStreamsKey,
} from "@sluice/protocol";
import { planAppend, readAppendReply, type CacheBounds } from "./append-plan.ts";
import { decodeCheckpoint, encodeCheckpoint } from "./checkpoint-json.ts";
import type { RedisConnection } from "./redis-connection.ts";

export interface RedisChunkCacheOptions {
  /** Number of partitions, as the log has. */
  partitions: number;
  /** How long chunks live where neither they nor their stream say otherwise. */
  chunkTtlSeconds?: number;
  /** How long a stream's record lives after its last message: so long late readers learn how it ended. */
  metaTtlSeconds?: number;
  /** The same for a stream to which nobody has written a chunk. The log brings its record back when it is asked for. */
  unwrittenTtlSeconds?: number;
  /** How many ended streams of a partition are listed; of more the one that has been silent longest no longer is. */
  maxEndedStreams?: number;
}

const DEFAULT_CHUNK_TTL_SECONDS = 300;
const DEFAULT_META_TTL_SECONDS = 7 * 24 * 60 * 60;
const DEFAULT_UNWRITTEN_TTL_SECONDS = 600;

// A list costs about 150 bytes a stream: without this bound short streams by the thousand a second fill Redis with names.
const DEFAULT_MAX_ENDED_STREAMS = 10_000;

// A look for a rare prefix costs Redis half a microsecond an id, in all partitions one after another, while all others
// wait. Above the largest page that is asked for.
const MAX_IDS_LOOKED_AT = 250;

/**
 * The chunk cache on Redis: per stream a ZSET of chunks and a HASH, per partition a checkpoint, all keys of a partition
 * in one slot, and each method one command or one script.
 */
export class RedisChunkCache implements ChunkCache {
  readonly #redis: RedisConnection;
  readonly #partitions: number;
  readonly #bounds: CacheBounds;
  /** Keys of chunks whose life is being lengthened: many readers of a stream ask for it at once. */
  readonly #beingLengthened = new Set<string>();

  constructor(redis: RedisConnection, options: RedisChunkCacheOptions) {
    this.#redis = redis;
    this.#partitions = options.partitions;
    this.#bounds = {
      chunkTtlSeconds: options.chunkTtlSeconds ?? DEFAULT_CHUNK_TTL_SECONDS,
      metaTtlSeconds: options.metaTtlSeconds ?? DEFAULT_META_TTL_SECONDS,
      unwrittenTtlSeconds: options.unwrittenTtlSeconds ?? DEFAULT_UNWRITTEN_TTL_SECONDS,
      maxEndedStreams: options.maxEndedStreams ?? DEFAULT_MAX_ENDED_STREAMS,
    };
  }

  async append(batch: AppendBatch): Promise<AppendOutcome> {
    assertAppendBatch(batch, this.#partitions);
    const { keys, args, streamIds } = planAppend(batch, this.#bounds);
    return readAppendReply(await this.#redis.script("append a batch", "append", keys, args), streamIds);
  }

  async restore(page: RestoredPage): Promise<boolean> {
    const { partition, streamId, chunkTtlSeconds, completion } = page;
    const options = completion?.info.options ?? null;
    const plan = {
      stream_id: streamId,
      chunk_ttl: chunkTtlSeconds,
      meta_ttl: this.#bounds.metaTtlSeconds,
      unwritten_ttl: this.#bounds.unwrittenTtlSeconds,
      max_ended: this.#bounds.maxEndedStreams,
      default_ttl: cacheTtlOfOptions(options) ?? 0,
      ...(completion === null ? {} : { completion: encodeCompletion(completion) }),
    };
    const members = page.chunks.flatMap((chunk) => [
      chunk.sequence,
      Buffer.concat([Buffer.from(`${chunk.sequence}:`), chunk.json]),
    ]);
    const keys = [
      checkpointKey(partition),
      chunksKey(partition, streamId),
      metaKey(partition, streamId),
      openStreamsKey(partition),
      endedStreamsKey(partition),
    ];
    return (
      (await this.#redis.script("restore a stream", "restore", keys, [JSON.stringify(plan), ...members])) ===
      1
    );
  }

  async readPage(streamId: string, after: number, bounds: PageBounds): Promise<StreamPage | null> {
    const partition = partitionOf(streamId, this.#partitions);
    const keys = [chunksKey(partition, streamId), metaKey(partition, streamId)];
    const args = [after, bounds.maxChunks, bounds.maxBytes];
    const reply = await this.#redis.script("read a page", "read-page", keys, args);
    if (reply === null) return null;
    const [head, statusText, options, lifeMs, ...members] = reply as PageReply;
    if (lifeMs > 0) void this.#lengthenLife(chunksKey(partition, streamId), lifeMs);
    const status = String(statusText) as StreamStatus;
    return {
      head: Number(head),
      status,
      hasEnded: status !== "open",
      options: options?.toString() ?? null,
      chunks: members.map(splitMember),
    };
  }

  /** Not waited for, and no matter if it fails: as long as less than half is left, each read asks for it again. */
  async #lengthenLife(key: string, lifeMs: number): Promise<void> {
    if (this.#beingLengthened.has(key)) return;
    this.#beingLengthened.add(key);
    try {
      // GT: another reader, or an append, may have given them a longer life meanwhile.
      await this.#redis.run("lengthen the life of chunks", (client) => client.pexpire(key, lifeMs, "GT"));
    } catch {
      return;
    } finally {
      this.#beingLengthened.delete(key);
    }
  }

  async readInfo(streamId: string): Promise<StreamInfo | null> {
    const key = metaKey(partitionOf(streamId, this.#partitions), streamId);
    const fields = await this.#redis.run("read a stream's record", (client) => client.hgetall(key));
    return fields["sequence"] === undefined ? null : decodeInfo(streamId, fields);
  }

  async requestCancel(streamId: string, wish: CancelRequest): Promise<StreamStatus | null> {
    const keys = [metaKey(partitionOf(streamId, this.#partitions), streamId)];
    const args = [wish.requestedMs, wish.reason];
    const reply = await this.#redis.script("record a wish to stop", "request-cancel", keys, args);
    const status = reply as Buffer | null;
    return status === null ? null : (status.toString() as StreamStatus);
  }

  async readOpenStreams(
    partition: number,
    after: ListedStream | null,
    limit: number,
  ): Promise<readonly ListedStream[]> {
    const args = [after?.streamId ?? "", after?.updatedMs ?? 0, limit];
    const reply = await this.#redis.script(
      "list open streams",
      "open-streams",
      [openStreamsKey(partition)],
      args,
    );
    return readListed(reply as Buffer[]);
  }

  async listOpenStreams(partition: number, streams: readonly ListedStream[]): Promise<void> {
    if (streams.length === 0) return;
    const members = streams.flatMap(({ streamId, updatedMs }) => [updatedMs, streamId]);
    await this.#redis.run("list streams as open", (client) =>
      client.zadd(openStreamsKey(partition), "NX", ...members),
    );
  }

  async forgetOpenStream(streamId: string): Promise<void> {
    const partition = partitionOf(streamId, this.#partitions);
    const keys = [openStreamsKey(partition), metaKey(partition, streamId)];
    await this.#redis.script("forget an open stream", "forget-open", keys, [streamId]);
  }

  async readRecentStreams(partition: number, query: RecentQuery): Promise<RecentStreams> {
    const { list, prefix, after, limit } = query;
    const keys = [openStreamsKey(partition), endedStreamsKey(partition)];
    const args = [list ?? "", prefix, after?.streamId ?? "", after?.updatedMs ?? 0, limit, MAX_IDS_LOOKED_AT];
    const reply = await this.#redis.script("list recent streams", "recent-streams", keys, args);
    return mergeRecentStreams((reply as Buffer[][]).map(readRecent), limit);
  }

  async readCheckpoint(partition: number): Promise<Checkpoint | null> {
    const text = await this.#redis.run("read a checkpoint", (client) => client.get(checkpointKey(partition)));
    return text === null ? null : decodeCheckpoint(text);
  }

  async seedCheckpoint(partition: number, checkpoint: Checkpoint): Promise<Checkpoint> {
    const keys = [checkpointKey(partition)];
    const args = [encodeCheckpoint(checkpoint)];
    return decodeCheckpoint(
      String(await this.#redis.script("seed a checkpoint", "seed-checkpoint", keys, args)),
    );
  }

  async replaceCheckpoint(
    partition: number,
    expected: Checkpoint,
    next: Checkpoint,
  ): Promise<Checkpoint | null> {
    const keys = [checkpointKey(partition)];
    const args = [encodeCheckpoint(expected), encodeCheckpoint(next)];
    const reply = (await this.#redis.script(
      "replace a checkpoint",
      "replace-checkpoint",
      keys,
      args,
    )) as Buffer | null;
    return reply === null ? null : decodeCheckpoint(String(reply));
  }
}

/** Reply of read-page.lua: head, status, options, life, members. */
type PageReply = [Buffer, Buffer, Buffer | null, number, ...Buffer[]];

/** `id, score`, again and again. */
function readListed(reply: readonly Buffer[]): ListedStream[] {
  return Array.from({ length: reply.length / 2 }, (_, pair) => ({
    streamId: String(reply[2 * pair]),
    updatedMs: Number(reply[2 * pair + 1]),
  }));
}

/** One list's page: where it ends, then its streams. */
function readRecent(reply: readonly Buffer[]): RecentStreams {
  const [next, ...streams] = readListed(reply);
  return { streams, next: next === undefined || next.streamId === "" ? null : next };
}

const [COLON, ZERO] = [0x3a, 0x30];

/** Takes `<sequence>:<chunk JSON>` apart; the JSON is a view. */
function splitMember(member: Buffer): CachedChunk {
  let sequence = 0;
  let at = 0;
  for (; at < member.byteLength && member[at] !== COLON; at++) {
    sequence = sequence * 10 + (member[at] ?? ZERO) - ZERO;
  }
  return { sequence, json: member.subarray(at + 1) };
}

function encodeCompletion({
  info,
  snapshotBrokerSequence,
  isProven,
  endsUnwritten = false,
}: NonNullable<RestoredPage["completion"]>): object {
  return {
    snapshot: snapshotBrokerSequence,
    is_proven: isProven ? 1 : 0,
    sequence: info.head.sequence,
    broker_sequence: info.head.brokerSequence,
    status: info.head.status,
    chunk_count: info.chunkCount,
    byte_count: info.byteCount,
    created_ms: info.createdMs,
    updated_ms: info.updatedMs,
    ended_ms: info.endedMs ?? -1,
    options: info.options ?? "",
    beat_ms: info.beatIntervalMs ?? 0,
    ends_unwritten: endsUnwritten ? 1 : 0,
  };
}

function decodeInfo(streamId: string, fields: Record<string, string>): StreamInfo {
  return {
    streamId,
    head: {
      sequence: Number(fields["sequence"]),
      brokerSequence: Number(fields["broker_sequence"]),
      status: fields["status"] as StreamStatus,
    },
    chunkCount: Number(fields["chunk_count"]),
    byteCount: Number(fields["byte_count"]),
    createdMs: Number(fields["created_ms"]),
    updatedMs: Number(fields["updated_ms"]),
    endedMs: fields["ended_ms"] === undefined ? null : Number(fields["ended_ms"]),
    options: fields["options"] ?? null,
    beatIntervalMs: Number(fields["beat_ms"] ?? 0) || null,
    cancelRequest:
      fields["cancel_ms"] === undefined
        ? null
        : { requestedMs: Number(fields["cancel_ms"]), reason: fields["cancel_reason"] as CancelReason },
  };
}
