import { expect, it } from "vitest";
import { describeContract } from "./describe-contract.ts";
import type { PartitionPressure, PressureFeed, Subscription } from "@sluice/core";

export interface PressureFeedUnderTest {
  owner: PressureFeed;
  producer: PressureFeed;
  /** Resolves when the producer's subscriptions made so far are in force for the owner. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

const DEADLINE = { timeout: 5_000 };

/** Promises of every PressureFeed while nothing is lost. */
export function pressureFeedContract(name: string, open: () => Promise<PressureFeedUnderTest>): void {
  describeContract("PressureFeed", name, open, (contract) => {
    const listen = (handler: (pressure: PartitionPressure) => void): Subscription => {
      const subscription = contract.subject.producer.subscribePressure(handler);
      return contract.keep(subscription);
    };

    it("delivers the pressure of all partitions to everyone who asks for it, in order", async () => {
      const [first, second] = [[] as PartitionPressure[], [] as PartitionPressure[]];
      listen((pressure) => first.push(pressure));
      listen((pressure) => second.push(pressure));
      await contract.subject.settle();
      const told = [
        { partition: 3, lagMs: 1_500, fullness: 0.42 },
        { partition: 31, lagMs: 0, fullness: 0.95 },
        { partition: 3, lagMs: 0, fullness: 0 },
      ];
      for (const pressure of told) contract.subject.owner.publishPressure(pressure);
      await expect.poll(() => [first.length, second.length], DEADLINE).toEqual([3, 3]);
      expect([first, second]).toEqual([told, told]);
    });

    it("does not call a handler again after its subscription was closed", async () => {
      const [closed, open] = [[] as number[], [] as number[]];
      const subscription: Subscription = listen(({ partition }) => {
        closed.push(partition);
        subscription.close();
        subscription.close();
      });
      listen(({ partition }) => open.push(partition));
      await contract.subject.settle();
      for (const partition of [1, 2])
        contract.subject.owner.publishPressure({ partition, lagMs: 2_000, fullness: 0 });
      await expect.poll(() => open, DEADLINE).toEqual([1, 2]);
      expect(closed).toEqual([1]);
    });
  });
}
