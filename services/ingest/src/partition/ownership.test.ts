import { createLogger, createRegistry } from "@sluice/runtime";
import { MemoryChunkCache, MemoryPartitionLeases } from "@sluice/memory";
import { expect, test } from "vitest";
import { createIngestMetrics } from "../metrics.ts";
import { Ownership } from "./ownership.ts";
import type { PartitionOwner } from "./partition-owner.ts";

const PARTITIONS = 4;

/** Stands for an owner in the middle of a rebuild: it stops when that is done. */
function slowOwner(stopped: Promise<void>): PartitionOwner {
  return { position: 0, start: () => {}, close: () => stopped, observeCheckpoint: () => {} } as never;
}

test("an owner that takes its time to stop doesn't keep the other partitions' leases from being renewed", async () => {
  const cache = new MemoryChunkCache({ partitions: PARTITIONS });
  const renewals = new Map<number, number>();
  class CountedLeases extends MemoryPartitionLeases {
    override renew(partition: number, member: string, ttlMs: number) {
      renewals.set(partition, (renewals.get(partition) ?? 0) + 1);
      return super.renew(partition, member, ttlMs);
    }
  }
  const leases = new CountedLeases({ partitions: PARTITIONS, cache });
  const { promise: stopped, resolve: stop } = Promise.withResolvers<void>();
  const ownership = new Ownership({
    self: "me",
    partitions: PARTITIONS,
    leases,
    leaseTtlMs: 400,
    leaseRenewMs: 50,
    createOwner: () => slowOwner(stopped),
    metrics: createIngestMetrics(createRegistry("ingest")),
    logger: createLogger("ingest", "silent"),
  });
  ownership.start();
  await expect.poll(() => ownership.owned).toHaveLength(PARTITIONS);

  await leases.release(0, "me");
  await leases.acquire(0, "other", 60_000);
  await expect.poll(() => ownership.owned).toEqual([1, 2, 3]);
  const before = renewals.get(1) ?? 0;
  await expect.poll(() => renewals.get(1)).toBeGreaterThan(before + 3);

  stop();
  await ownership.close();
  expect(await leases.owners()).toEqual(["other", null, null, null]);
});
