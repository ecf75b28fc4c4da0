import type { AppendBatch, AppendOutcome, AppliedEntry, LogEntry, StreamStatus } from "@sluice/core";
import {
  cacheTtlOfOptions,
  checkpointKey,
  chunkJsonHead,
  chunksKey,
  endedStreamsKey,
  isIdleEnd,
  metaKey,
  openStreamsKey,
} from "@sluice/protocol";
import { decodeCheckpoint, encodeCheckpoint } from "./checkpoint-json.ts";

/** A batch as append.lua takes it; that file says what each argument is. */
export interface AppendPlan {
  keys: readonly string[];
  args: readonly string[];
  /** Streams by their number in the plan, less one. */
  streamIds: readonly string[];
}

// A chunk's head is written by one function only; the script gets the parts around the sequence, which it alone knows.
const SAMPLE_SEQUENCE = 1;
const JSON_INFIX = chunkJsonHead("", SAMPLE_SEQUENCE).split(String(SAMPLE_SEQUENCE))[1] ?? "";
const jsonPrefix = (streamId: string): string =>
  chunkJsonHead(streamId, SAMPLE_SEQUENCE).slice(0, -JSON_INFIX.length - String(SAMPLE_SEQUENCE).length);

/** How long things live, and how many ended streams are listed, where nobody says otherwise. */
export interface CacheBounds {
  chunkTtlSeconds: number;
  metaTtlSeconds: number;
  unwrittenTtlSeconds: number;
  maxEndedStreams: number;
}

export function planAppend(batch: AppendBatch, bounds: CacheBounds): AppendPlan {
  const keys = [checkpointKey(batch.partition)];
  const numbers = new Map<string, number>();
  const bodies: string[] = [];
  const entries = batch.entries.map((entry) => {
    let number = numbers.get(entry.streamId);
    if (number === undefined) {
      number = numbers.size + 1;
      numbers.set(entry.streamId, number);
      keys.push(chunksKey(batch.partition, entry.streamId), metaKey(batch.partition, entry.streamId));
    }
    return planEntry(entry, number, bodies);
  });
  const streamIds = [...numbers.keys()];
  keys.push(openStreamsKey(batch.partition), endedStreamsKey(batch.partition));
  const plan = {
    read_after: batch.readAfter,
    default_ttl: bounds.chunkTtlSeconds,
    meta_ttl: bounds.metaTtlSeconds,
    unwritten_ttl: bounds.unwrittenTtlSeconds,
    max_ended: bounds.maxEndedStreams,
    json_infix: JSON_INFIX,
    ids: streamIds,
    divergences: (batch.divergences ?? []).map((each) => [each.after, each.lostUntilMs, each.resumesAt]),
    streams: streamIds.map(jsonPrefix),
    entries,
  };
  return { keys, args: [JSON.stringify(plan), encodeCheckpoint(batch.checkpoint), ...bodies], streamIds };
}

/** Adds the bodies of the elements that take a number if the stream is open. */
function planEntry(entry: LogEntry, number: number, bodies: string[]): (number | string)[] {
  let endStatus: StreamStatus | "" = entry.isTombstone ? "deleted" : "";
  let count = 0;
  let longestTtl = 0;
  let hasDefaultTtl = 0;
  for (const element of entry.isTombstone ? [] : entry.elements) {
    count++;
    const ttl = element.kind === "chunk" ? element.cacheTtlSeconds : null;
    if (ttl === null) hasDefaultTtl = 1;
    else longestTtl = Math.max(longestTtl, ttl);
    bodies.push(element.kind === "chunk" ? element.body : "");
    if (element.kind === "chunk" && element.endStatus !== null) {
      endStatus = element.endStatus;
      break;
    }
  }
  return [
    number,
    entry.brokerSequence,
    entry.timestampMs,
    entry.firstSequence ?? 0,
    count,
    endStatus,
    longestTtl,
    hasDefaultTtl,
    entry.options ?? "",
    cacheTtlOfOptions(entry.options) ?? 0,
    entry.beatIntervalMs ?? 0,
    isIdleEnd(entry) ? 1 : 0,
  ];
}

/** The script's reply, whose strings are Buffers. */
export function readAppendReply(reply: unknown, streamIds: readonly string[]): AppendOutcome {
  const [kind, ...rest] = reply as (Buffer | number | null)[];
  switch (String(kind)) {
    case "rewind": {
      const [checkpoint] = rest;
      return {
        kind: "rewind",
        checkpoint: checkpoint === null ? null : decodeCheckpoint(String(checkpoint)),
      };
    }
    case "unproven":
      return { kind: "unproven", streamIds: rest.map((number) => streamIds[Number(number) - 1] ?? "") };
    case "applied":
      return { kind: "applied", entries: readAppliedEntries(String(rest[0])) };
    default:
      throw new Error(`append.lua answered ${String(kind)}`);
  }
}

/** `first count status`, again and again. */
function readAppliedEntries(text: string): AppliedEntry[] {
  if (text === "") return [];
  const words = text.split(" ");
  const entries: AppliedEntry[] = [];
  for (let index = 0; index < words.length; index += 7) {
    entries.push({
      first: Number(words[index]),
      count: Number(words[index + 1]),
      status: words[index + 2] as StreamStatus,
      isDuplicate: words[index + 3] === "1",
      chunkCount: Number(words[index + 4]),
      byteCount: Number(words[index + 5]),
      createdMs: Number(words[index + 6]),
    });
  }
  return entries;
}
