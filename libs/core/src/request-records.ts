/**
 * Records of requests that must not be done twice, so that any gateway knows a repeat. They are the gateway's own and
 * opaque here. All of them may be lost at once, as a cache is: a caller that relies on one has to document what then
 * becomes of a repeat.
 * Throws StreamError CACHE_UNAVAILABLE: nothing is known of the outcome.
 */
export interface RequestRecords {
  /** Null where there is none, or not any more. */
  read(key: string): Promise<string | null>;
  /**
   * Puts `after` in the place of `before` (null: of nothing), in one step, for `ttlMs` from now on.
   * @returns false: something else stands there, and still does
   */
  replace(key: string, before: string | null, after: string, ttlMs: number): Promise<boolean>;
}
