import type { ChunkCache, PartitionLeases } from "@sluice/core";
import { describe, expect, it } from "vitest";

/** Leases under test and the cache whose checkpoints they read, both empty, with three partitions. */
export interface PartitionLeasesUnderTest extends AsyncDisposable {
  readonly leases: PartitionLeases;
  readonly cache: Pick<ChunkCache, "readCheckpoint" | "seedCheckpoint">;
  /** Lets so much of the lease server's time pass. */
  elapse(ms: number): Promise<void>;
}

/** Promises of every PartitionLeases. */
export function partitionLeasesContract(
  name: string,
  createHarness: () => Promise<PartitionLeasesUnderTest>,
): void {
  describe(`${name} as PartitionLeases`, () => {
    it("gives a partition to one member until it is released", async () => {
      await using harness = await createHarness();
      const { leases } = harness;
      expect(await leases.acquire(1, "m1", 60_000)).toBe(true);
      expect(await leases.acquire(1, "m2", 60_000)).toBe(false);
      expect(await leases.acquire(1, "m1", 60_000)).toBe(false);
      expect(await leases.owners()).toEqual([null, "m1", null]);
      await leases.release(1, "m2");
      expect(await leases.owners()).toEqual([null, "m1", null]);
      await leases.release(1, "m1");
      expect(await leases.acquire(1, "m2", 60_000)).toBe(true);
    });

    it("frees a partition whose lease has run out, and tells its owner of the loss", async () => {
      await using harness = await createHarness();
      const { leases } = harness;
      await leases.acquire(0, "m1", 100);
      await harness.elapse(120);
      expect(await leases.owners()).toEqual([null, null, null]);
      expect(await leases.renew(0, "m1", 60_000)).toMatchObject({ isHeld: false });
      expect(await leases.acquire(0, "m2", 60_000)).toBe(true);
      await leases.release(0, "m1");
      expect(await leases.owners()).toEqual(["m2", null, null]);
    });

    it("lengthens a lease, for its owner only", async () => {
      await using harness = await createHarness();
      const { leases } = harness;
      await leases.acquire(0, "m1", 100);
      await leases.acquire(1, "m1", 100);
      expect(await leases.renew(0, "m1", 60_000)).toMatchObject({ isHeld: true });
      expect(await leases.renew(1, "m2", 60_000)).toMatchObject({ isHeld: false });
      await harness.elapse(120);
      expect(await leases.owners()).toEqual(["m1", null, null]);
    });

    it("reads the checkpoint with the renewal, held or not", async () => {
      await using harness = await createHarness();
      const { leases, cache } = harness;
      await leases.acquire(2, "m1", 60_000);
      expect(await leases.renew(2, "m1", 60_000)).toEqual({ isHeld: true, checkpoint: null });
      const checkpoint = { brokerSequence: 2 ** 52 + 1, timestampMs: 5, logCreatedMs: 3 };
      await cache.seedCheckpoint(2, checkpoint);
      expect(await leases.renew(2, "m1", 60_000)).toEqual({ isHeld: true, checkpoint });
      expect(await leases.renew(2, "m2", 60_000)).toEqual({ isHeld: false, checkpoint });
    });

    it("knows members that announce themselves, sorted, until they withdraw or fall silent", async () => {
      await using harness = await createHarness();
      const { leases } = harness;
      expect(await leases.announce("m2", 60_000)).toEqual(["m2"]);
      expect(await leases.announce("m1", 100)).toEqual(["m1", "m2"]);
      expect(await leases.announce("m3", 60_000)).toEqual(["m1", "m2", "m3"]);
      await harness.elapse(120);
      expect(await leases.announce("m2", 60_000)).toEqual(["m2", "m3"]);
      await leases.withdraw("m3");
      await leases.withdraw("never there");
      expect(await leases.announce("m2", 60_000)).toEqual(["m2"]);
    });
  });
}
