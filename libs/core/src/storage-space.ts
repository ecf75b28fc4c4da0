/** The room of a server that keeps chunks. */
export interface StorageSpace {
  usedBytes: number;
  /** Infinity: the server has no limit of its own. */
  limitBytes: number;
}

/** The cache's server, as those who must not fill it see it. */
export interface CacheSpace {
  /**
   * The room of the server, or of the fullest one of several.
   * @throws StreamError CACHE_UNAVAILABLE
   */
  readSpace(): Promise<StorageSpace>;
}

/** Share of the log or the cache from which on nothing new is created: what is left is for what goes on, and for its end. */
export const FULL_SHARE = 0.9;

/** The share that is used, 0 to 1 and above; 0 without a limit. */
export function shareOf({ usedBytes, limitBytes }: StorageSpace): number {
  return limitBytes > 0 && Number.isFinite(limitBytes) ? usedBytes / limitBytes : 0;
}
