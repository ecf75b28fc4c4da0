import type { Checkpoint, ChunkCache, PartitionLeases } from "@sluice/core";

export interface MemoryPartitionLeasesOptions {
  partitions: number;
  /** Where the checkpoints are that `renew` reads. */
  cache: Pick<ChunkCache, "readCheckpoint">;
  /** The lease server's clock, ms. */
  now?: () => number;
}

interface Lease {
  member: string;
  expiresMs: number;
}

/** Leases in memory, for ingesters of one process. */
export class MemoryPartitionLeases implements PartitionLeases {
  readonly #options: MemoryPartitionLeasesOptions;
  readonly #now: () => number;
  readonly #members = new Map<string, number>();
  readonly #leases = new Map<number, Lease>();

  constructor(options: MemoryPartitionLeasesOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  async announce(member: string, ttlMs: number): Promise<readonly string[]> {
    const now = this.#now();
    this.#members.set(member, now + ttlMs);
    for (const [other, expiresMs] of this.#members) {
      if (expiresMs <= now) this.#members.delete(other);
    }
    return [...this.#members.keys()].sort();
  }

  async withdraw(member: string): Promise<void> {
    this.#members.delete(member);
  }

  async owners(): Promise<readonly (string | null)[]> {
    return Array.from({ length: this.#options.partitions }, (_, partition) => this.#ownerOf(partition));
  }

  async acquire(partition: number, member: string, ttlMs: number): Promise<boolean> {
    if (this.#ownerOf(partition) !== null) return false;
    this.#leases.set(partition, { member, expiresMs: this.#now() + ttlMs });
    return true;
  }

  async renew(
    partition: number,
    member: string,
    ttlMs: number,
  ): Promise<{ isHeld: boolean; checkpoint: Checkpoint | null }> {
    const isHeld = this.#ownerOf(partition) === member;
    if (isHeld) this.#leases.set(partition, { member, expiresMs: this.#now() + ttlMs });
    return { isHeld, checkpoint: await this.#options.cache.readCheckpoint(partition) };
  }

  async release(partition: number, member: string): Promise<void> {
    if (this.#ownerOf(partition) === member) this.#leases.delete(partition);
  }

  #ownerOf(partition: number): string | null {
    const lease = this.#leases.get(partition);
    return lease !== undefined && lease.expiresMs > this.#now() ? lease.member : null;
  }
}
