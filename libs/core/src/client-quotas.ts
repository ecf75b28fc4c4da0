/** An amount of records: how many, and their bytes in the cache. Negative: given back. */
export interface QuotaAmount {
  count: number;
  bytes: number;
}

/** Bounds of one client. It gets all of its use back evenly, within the window. */
export interface QuotaBounds extends QuotaAmount {
  windowMs: number;
}

/**
 * Accounts of what each client has used, one for all processes. Accounts are a cache's: where they are lost,
 * clients begin anew.
 */
export interface ClientQuotas {
  /**
   * Takes an amount from a client's account, if it has that much left.
   * @param account the client's name, and what kind of thing is counted
   * @param isForced takes it although it is more than is left
   * @returns 0: it was taken; else how long until it may be, ms, and nothing was taken
   * @throws StreamError CACHE_UNAVAILABLE: it may have been taken
   */
  take(account: string, amount: QuotaAmount, bounds: QuotaBounds, isForced?: boolean): Promise<number>;
}
