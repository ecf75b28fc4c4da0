import {
  byNewest,
  type ListedStream,
  type RecentQuery,
  type RecentStreams,
  type StreamInfo,
} from "@sluice/core";

/** A partition's open and ended streams, by their last messages. */
export class MemoryStreamLists {
  readonly #maxEnded: number;
  readonly #endedLifeMs: number;
  #open = new Map<string, number>();
  #ended = new Map<string, number>();
  #newestEndMs = 0;

  constructor(maxEnded: number, endedLifeMs: number) {
    this.#maxEnded = maxEnded;
    this.#endedLifeMs = endedLifeMs;
  }

  copy(): MemoryStreamLists {
    const copy = new MemoryStreamLists(this.#maxEnded, this.#endedLifeMs);
    copy.#open = new Map(this.#open);
    copy.#ended = new Map(this.#ended);
    copy.#newestEndMs = this.#newestEndMs;
    return copy;
  }

  /** Puts a stream where its record says that it belongs. */
  put({ streamId, head, updatedMs }: StreamInfo): void {
    if (head.status === "open") {
      this.#open.set(streamId, updatedMs);
      return;
    }
    this.#open.delete(streamId);
    this.#ended.set(streamId, updatedMs);
    this.#newestEndMs = Math.max(this.#newestEndMs, updatedMs);
    if (this.#ended.size <= this.#maxEnded) return;
    for (const ended of newestFirst(this.#ended).slice(this.#maxEnded)) this.#ended.delete(ended.streamId);
  }

  listOpen(streams: readonly ListedStream[]): void {
    for (const { streamId, updatedMs } of streams) {
      if (!this.#open.has(streamId)) this.#open.set(streamId, updatedMs);
    }
  }

  forgetOpen(streamId: string): void {
    this.#open.delete(streamId);
  }

  readOpen(after: ListedStream | null, limit: number): ListedStream[] {
    const longestSilentFirst = newestFirst(this.#open).toReversed();
    const isLater = (stream: ListedStream): boolean => after === null || byNewest(stream, after) < 0;
    return longestSilentFirst.filter(isLater).slice(0, limit);
  }

  readRecent({ list, prefix, after, limit }: RecentQuery): RecentStreams {
    const horizonMs = this.#newestEndMs - this.#endedLifeMs;
    const living = [...this.#ended].filter(([, updatedMs]) => updatedMs >= horizonMs);
    const all = newestFirst([...(list === "ended" ? [] : this.#open), ...(list === "open" ? [] : living)]);
    const isWanted = (stream: ListedStream): boolean =>
      stream.streamId.startsWith(prefix) && (after === null || byNewest(stream, after) > 0);
    const streams = all.filter(isWanted);
    const next = streams.length > limit ? streams[limit - 1] : undefined;
    return { streams: streams.slice(0, limit), next: next ?? null };
  }
}

function newestFirst(streams: Iterable<[string, number]>): ListedStream[] {
  return [...streams].map(([streamId, updatedMs]) => ({ streamId, updatedMs })).sort(byNewest);
}
