import { StreamError, type ClientQuotas, type QuotaAmount, type QuotaBounds } from "@sluice/core";

export interface ClientBudgetOptions {
  /** Null: nothing is counted. */
  quotas: ClientQuotas | null;
  /** Most records of one kind that a client may make, and their bytes, within the window; 0: no limit. */
  maxRecords: number;
  maxBytes: number;
  windowMs: number;
}

/** Kinds of records that a client is counted for, each by itself. */
export type RecordKind = "streams" | "keys";

const WHAT: Record<RecordKind, string> = {
  streams: "streams",
  keys: "requests with an Idempotency-Key",
};

/** Bounds what one client leaves behind in a cache that all share: records of streams, and of requests with a key. */
export class ClientBudget {
  readonly #quotas: ClientQuotas | null;
  readonly #bounds: QuotaBounds;

  constructor({ quotas, maxRecords, maxBytes, windowMs }: ClientBudgetOptions) {
    this.#quotas = quotas;
    this.#bounds = { count: orEndless(maxRecords), bytes: orEndless(maxBytes), windowMs };
  }

  /**
   * Takes what records will need. While the accounts can't be reached nothing is counted: a cache that is away takes no
   * records either.
   * @throws StreamError QUOTA_EXCEEDED with `retry_after_seconds`
   */
  async take(principal: string, kind: RecordKind, amount: QuotaAmount): Promise<void> {
    const waitMs = await this.#ask(principal, kind, amount, false);
    if (waitMs === 0) return;
    const seconds = Math.ceil(waitMs / 1000);
    throw new StreamError(
      "QUOTA_EXCEEDED",
      `you have created as many ${WHAT[kind]} as one client may for now: try again in ${seconds} s`,
      { details: { retry_after_seconds: seconds } },
    );
  }

  /** Counts what a record has grown by, or gives back (negative) what was taken and isn't needed. */
  async correct(principal: string, kind: RecordKind, amount: QuotaAmount): Promise<void> {
    await this.#ask(principal, kind, amount, true);
  }

  async #ask(principal: string, kind: RecordKind, amount: QuotaAmount, isForced: boolean): Promise<number> {
    try {
      return (await this.#quotas?.take(`${kind} ${principal}`, amount, this.#bounds, isForced)) ?? 0;
    } catch (error) {
      if (error instanceof StreamError && error.code === "CACHE_UNAVAILABLE") return 0;
      throw error;
    }
  }
}

function orEndless(limit: number): number {
  return limit === 0 ? Number.MAX_SAFE_INTEGER : limit;
}
