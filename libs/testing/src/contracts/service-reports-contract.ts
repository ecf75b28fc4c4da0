import type { OwnedPartition, ServiceReport, ServiceReports, Subscription } from "@sluice/core";
import { expect, it } from "vitest";
import { describeContract } from "./describe-contract.ts";

export interface ServiceReportsUnderTest {
  asker: ServiceReports;
  /** Processes on connections of their own. */
  processes: readonly [ServiceReports, ServiceReports];
  /** Resolves when `serve` calls made so far are in force for the asker. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

const DEADLINE_MS = 5_000;

const OWNED = [
  { partition: 0, lagMs: 1.5, lagMessages: 2 },
  { partition: 7, lagMs: null, lagMessages: null },
];

/** Promises of every ServiceReports. */
export function serviceReportsContract(name: string, open: () => Promise<ServiceReportsUnderTest>): void {
  describeContract("ServiceReports", name, open, (contract) => {
    const serve = async (which: 0 | 1, answer: () => Promise<ServiceReport>): Promise<Subscription> => {
      const subscription = contract.subject.processes[which].serve(answer);
      return contract.settled(subscription);
    };

    it("gathers what each process says of itself at that time", async () => {
      let connections = 1;
      await serve(0, async () => report("edge", "e1", { connections: connections++ }));
      await serve(1, async () => report("ingest", "☂", { lag_ms: 0.5 }, OWNED));
      expect(byInstance(await contract.subject.asker.gather(DEADLINE_MS))).toEqual([
        report("edge", "e1", { connections: 1 }),
        report("ingest", "☂", { lag_ms: 0.5 }, OWNED),
      ]);
      expect(byInstance(await contract.subject.asker.gather(DEADLINE_MS))[0]?.figures).toEqual({
        connections: 2,
      });
    });

    it("leaves out those that fail to describe themselves, or take too long, in bounded time", async () => {
      await serve(0, () => Promise.reject(new Error("no figures")));
      await serve(0, () => new Promise(() => undefined));
      await serve(1, async () => report("worker", "w1"));
      const startedAt = performance.now();
      expect(await contract.subject.asker.gather(1_000)).toEqual([report("worker", "w1")]);
      expect(performance.now() - startedAt).toBeLessThan(DEADLINE_MS);
    });

    it("gathers nothing where nobody serves, also when they have stopped", async () => {
      const stopped = await serve(0, async () => report("edge", "e1"));
      stopped.close();
      stopped.close();
      await contract.subject.settle();
      expect(await contract.subject.asker.gather(500)).toEqual([]);
    });
  });
}

function report(
  service: ServiceReport["service"],
  instance: string,
  figures: Record<string, number> = {},
  partitions: readonly OwnedPartition[] = [],
): ServiceReport {
  return { service, instance, startedMs: 17, figures, partitions };
}

function byInstance(reports: readonly ServiceReport[]): readonly ServiceReport[] {
  return reports.toSorted((a, b) => (a.instance < b.instance ? -1 : 1));
}
