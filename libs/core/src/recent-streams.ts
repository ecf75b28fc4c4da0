import type { ListedStream, RecentStreams } from "./chunk-cache.ts";
import { byCodeUnits } from "./id-order.ts";

/** Newest message first; of those of the same millisecond the last id first. */
export function byNewest(a: ListedStream, b: ListedStream): number {
  return b.updatedMs - a.updatedMs || byCodeUnits(b.streamId, a.streamId);
}

/** One page of several lists' pages, all of which began at the same place, as if their streams were in one list. */
export function mergeRecentStreams(pages: readonly RecentStreams[], limit: number): RecentStreams {
  // Behind the point up to which a list was looked at there may be some that it hasn't told of.
  const stops = pages.flatMap(({ next }) => (next === null ? [] : [next]));
  const [horizon = null] = stops.toSorted(byNewest);
  const certain = pages
    .flatMap(({ streams }) => streams)
    .filter((stream) => horizon === null || byNewest(stream, horizon) <= 0)
    .toSorted(byNewest);
  const streams = certain.slice(0, limit);
  return { streams, next: streams.length < certain.length ? (streams.at(-1) ?? null) : horizon };
}
