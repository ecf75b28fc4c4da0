import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { PartitionPressure, PressureFeed, Subscription } from "@sluice/core";

export interface PressureFeedUnderTest {
  owner: PressureFeed;
  producer: PressureFeed;
  /** Resolves when the producer's subscriptions made so far are in force for the owner. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

const DEADLINE = { timeout: 5_000 };

/** What every PressureFeed promises while nothing is lost. */
export function pressureFeedContract(name: string, open: () => Promise<PressureFeedUnderTest>): void {
  describe(`${name} keeps the contract of PressureFeed:`, () => {
    let subject: PressureFeedUnderTest;
    let subscriptions: Subscription[] = [];

    beforeAll(async () => {
      subject = await open();
    });
    afterEach(() => {
      for (const subscription of subscriptions) subscription.close();
      subscriptions = [];
    });
    afterAll(async () => {
      await subject.close();
    });

    const listen = (handler: (pressure: PartitionPressure) => void): Subscription => {
      const subscription = subject.producer.subscribePressure(handler);
      subscriptions.push(subscription);
      return subscription;
    };

    it("delivers the pressure of all partitions to everyone who asks for it, in order", async () => {
      const [first, second] = [[] as PartitionPressure[], [] as PartitionPressure[]];
      listen((pressure) => first.push(pressure));
      listen((pressure) => second.push(pressure));
      await subject.settle();
      const told = [
        { partition: 3, lagMs: 1_500, fullness: 0.42 },
        { partition: 31, lagMs: 0, fullness: 0.95 },
        { partition: 3, lagMs: 0, fullness: 0 },
      ];
      for (const pressure of told) subject.owner.publishPressure(pressure);
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
      await subject.settle();
      for (const partition of [1, 2]) subject.owner.publishPressure({ partition, lagMs: 2_000, fullness: 0 });
      await expect.poll(() => open, DEADLINE).toEqual([1, 2]);
      expect(closed).toEqual([1]);
    });
  });
}
