import type { StreamOptions } from "@sluice/protocol";
import type { CacheRoom } from "./cache-room.ts";
import type { ClientBudget } from "./client-budget.ts";

/** Bytes that a stream's record takes in Redis besides its options: a HASH, and a place in a list. Measured, rounded up. */
const RECORD_BYTES = 600;

export interface CreationBudgetParts {
  /** Null: the cache has no bound that is known. */
  room: CacheRoom | null;
  clients: ClientBudget;
}

/** Decides whether streams may be created: there must be room for all, and the client must have some of its quota left. */
export class CreationBudget {
  readonly #parts: CreationBudgetParts;

  constructor(parts: CreationBudgetParts) {
    this.#parts = parts;
  }

  /**
   * Takes what creations need, all or nothing.
   * @param options of each stream
   * @throws StreamError STORAGE_FULL, QUOTA_EXCEEDED with `retry_after_seconds`
   */
  async take(principal: string, options: readonly (StreamOptions | undefined)[]): Promise<void> {
    const amount = amountOf(options);
    await this.#parts.room?.enter(amount.bytes);
    await this.#parts.clients.take(principal, "streams", amount);
  }

  /** Takes what one stream without options needs, for as long as its creation doesn't fail. @throws StreamError as `take` */
  async spend<T>(principal: string, create: () => Promise<T>): Promise<T> {
    await this.take(principal, [undefined]);
    try {
      return await create();
    } catch (error) {
      await this.giveBack(principal, [undefined]);
      throw error;
    }
  }

  /** Gives back what was taken for streams that were not created. */
  async giveBack(principal: string, options: readonly (StreamOptions | undefined)[]): Promise<void> {
    if (options.length === 0) return;
    const { count, bytes } = amountOf(options);
    await this.#parts.clients.correct(principal, "streams", { count: -count, bytes: -bytes });
  }
}

function amountOf(options: readonly (StreamOptions | undefined)[]): { count: number; bytes: number } {
  const bytesOf = (one: StreamOptions | undefined): number =>
    RECORD_BYTES + (one === undefined ? 0 : Buffer.byteLength(JSON.stringify(one)));
  return { count: options.length, bytes: options.reduce((sum, one) => sum + bytesOf(one), 0) };
}
