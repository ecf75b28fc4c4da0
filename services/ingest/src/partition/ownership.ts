import { StreamError, type PartitionLeases } from "@sluice/core";
import type { Logger } from "@sluice/runtime";
import { fairShare } from "./fair-share.ts";
import type { IngestMetrics, PartitionLag } from "../metrics.ts";
import type { PartitionOwner } from "./partition-owner.ts";

export interface OwnershipOptions {
  self: string;
  partitions: number;
  leases: PartitionLeases;
  leaseTtlMs: number;
  leaseRenewMs: number;
  createOwner: (partition: number) => PartitionOwner;
  metrics: IngestMetrics;
  logger: Logger;
}

/**
 * How often free partitions are looked for, ms: the pause of a stream whose owner left in good order. One round trip
 * each time, so it may be short.
 */
const SEEK_INTERVAL_MS = 200;

/**
 * Partitions that this replica reads: its fair share of all, held by leases that it renews.
 * Too many → the surplus is handed back; too few → free ones are taken. A replica that dies holds its share until
 * its leases run out; one that closes gives them back at once.
 */
export class Ownership {
  readonly #options: OwnershipOptions;
  readonly #owners = new Map<number, PartitionOwner>();
  /** Dropped owners that haven't stopped yet. The leases of the others don't wait for them. */
  readonly #stopping = new Set<Promise<void>>();
  #renewedMs = -Infinity;
  #share = 0;
  #isClosed = false;
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> = Promise.resolve();

  constructor(options: OwnershipOptions) {
    this.#options = options;
  }

  get owned(): readonly number[] {
    return [...this.#owners.keys()].toSorted((a, b) => a - b);
  }

  /** Null where another replica reads it, or nobody. */
  ownerOf(partition: number): PartitionOwner | null {
    return this.#owners.get(partition) ?? null;
  }

  lags(): PartitionLag[] {
    return [...this.#owners].map(([partition, owner]) => ({ partition, ...owner.lag }));
  }

  /** Whether the last round reached the lease server. */
  get isRenewed(): boolean {
    return performance.now() - this.#renewedMs < this.#options.leaseTtlMs;
  }

  start(): void {
    this.#schedule(0);
  }

  /** Hands everything back. Idempotent. */
  async close(): Promise<void> {
    if (this.#isClosed) return this.#round;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#round = this.#round.then(() => this.#leave());
    return this.#round;
  }

  #schedule(delayMs: number): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => {
      const nextMs = Math.min(SEEK_INTERVAL_MS, this.#options.leaseRenewMs);
      this.#round = this.#tick().finally(() => this.#schedule(nextMs));
    }, delayMs);
  }

  async #tick(): Promise<void> {
    const { leaseRenewMs, logger } = this.#options;
    try {
      if (performance.now() - this.#renewedMs >= leaseRenewMs) await this.#renew();
      if (this.#owners.size < this.#share) await this.#seek();
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      logger.warn({ err: error }, "leases can't be renewed");
      await this.#dropExpired();
    }
  }

  async #renew(): Promise<void> {
    const { self, leases, leaseTtlMs, partitions, metrics, logger } = this.#options;
    const startedMs = performance.now();
    const members = await leases.announce(self, leaseTtlMs);
    this.#share = fairShare(members, self, partitions);
    await Promise.all(
      [...this.#owners].map(async ([partition, owner]) => {
        const positionBefore = owner.position;
        const { isHeld, checkpoint } = await leases.renew(partition, self, leaseTtlMs);
        if (isHeld) return owner.observeCheckpoint(checkpoint, positionBefore);
        metrics.leasesLost.inc();
        logger.warn({ partition }, "lease lost");
        void this.#drop(partition, owner);
      }),
    );
    this.#renewedMs = startedMs;
    for (const [partition, owner] of [...this.#owners].slice(this.#share))
      void this.#handOver(partition, owner);
  }

  /** Not to be waited for by a round: an owner stops when its batch is written, or its rebuild done. */
  async #handOver(partition: number, owner: PartitionOwner): Promise<void> {
    const { self, leases, logger } = this.#options;
    await this.#drop(partition, owner);
    try {
      await leases.release(partition, self);
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      logger.warn({ err: error, partition }, "a lease is left to run out");
    }
  }

  /** Takes free partitions, starting at a place of its own so that several seekers don't go for the same one. */
  async #seek(): Promise<void> {
    const { self, leases, leaseTtlMs, partitions, createOwner, metrics, logger } = this.#options;
    const owners = await leases.owners();
    const start = Math.floor(Math.random() * partitions);
    for (let step = 0; step < partitions && this.#owners.size < this.#share; step++) {
      const partition = (start + step) % partitions;
      const isFree = owners[partition] === null || owners[partition] === self;
      if (!isFree || this.#owners.has(partition) || this.#isClosed) continue;
      // Ours already, where the answer to an earlier call got lost.
      const isOurs = owners[partition] === self && (await leases.renew(partition, self, leaseTtlMs)).isHeld;
      if (!isOurs && !(await leases.acquire(partition, self, leaseTtlMs))) continue;
      const owner = createOwner(partition);
      this.#owners.set(partition, owner);
      owner.start();
      metrics.takeovers.inc();
      logger.info({ partition }, "partition acquired");
    }
    metrics.partitionsOwned.set(this.#owners.size);
  }

  /** Drops all partitions once renewal has failed for so long that the leases ran out: others may have taken over. */
  async #dropExpired(): Promise<void> {
    if (this.isRenewed) return;
    for (const [partition, owner] of this.#owners) void this.#drop(partition, owner);
  }

  /** @returns when the owner has stopped */
  #drop(partition: number, owner: PartitionOwner): Promise<void> {
    this.#owners.delete(partition);
    this.#options.metrics.partitionsOwned.set(this.#owners.size);
    const stopped = owner.close().finally(() => this.#stopping.delete(stopped));
    this.#stopping.add(stopped);
    return stopped;
  }

  async #leave(): Promise<void> {
    const { self, leases, logger } = this.#options;
    await leases.withdraw(self).catch((error: unknown) => {
      logger.warn({ err: error }, "this member is left to be forgotten");
    });
    await Promise.all([...this.#owners].map(([partition, owner]) => this.#handOver(partition, owner)));
    await Promise.all(this.#stopping);
  }
}
