import type { Checkpoint } from "./chunk-cache.ts";

/**
 * Leases that say which replica reads which partition. They save work, nothing more: two owners at once do no harm (see ChunkCache.append).
 * Time is the lease server's, so clocks of ingesters may differ. Throws StreamError CACHE_UNAVAILABLE.
 */
export interface PartitionLeases {
  /** Makes the member known for `ttlMs`. @returns all members known now, this one included, sorted */
  announce(member: string, ttlMs: number): Promise<readonly string[]>;
  /** Takes the member off the list at once. */
  withdraw(member: string): Promise<void>;
  /** Owners by partition, null where nobody holds it. */
  owners(): Promise<readonly (string | null)[]>;
  /** Takes a free partition. False if another holds it. */
  acquire(partition: number, member: string, ttlMs: number): Promise<boolean>;
  /**
   * Lengthens a lease that is still ours and reads the partition's checkpoint in the same step.
   * `isHeld` false: lost to another, or expired.
   */
  renew(
    partition: number,
    member: string,
    ttlMs: number,
  ): Promise<{ isHeld: boolean; checkpoint: Checkpoint | null }>;
  /** Gives a lease back, if it is ours. */
  release(partition: number, member: string): Promise<void>;
}
