import * as fc from "fast-check";
import { expect, test } from "vitest";
import { FairQueue, type QueuedWork } from "./fair-queue.ts";

const BUDGET = { total: 100, perAddress: 60, perStream: 40 };

type Step =
  | { kind: "add"; address: number; streamId: number; bytes: number; alsoFor: number | null }
  | { kind: "take" }
  | { kind: "done" | "remove"; which: number };

const index = fc.nat({ max: 3 });
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant("add" as const),
      address: index,
      streamId: index,
      bytes: fc.integer({ min: 1, max: 120 }),
      alsoFor: fc.option(index),
    }),
    fc.record({ kind: fc.constant("take" as const) }),
    fc.record({ kind: fc.constantFrom("done" as const, "remove" as const), which: fc.nat({ max: 99 }) }),
  ),
  { maxLength: 120 },
);

test("every piece of work is done once or removed, within all budgets, whatever comes, goes and is done when", () => {
  fc.assert(
    fc.property(steps, (all) => {
      const queue = new FairQueue<QueuedWork>(BUDGET);
      const waiting = new Map<QueuedWork, Set<string>>();
      const inFlight: QueuedWork[] = [];
      const take = (): boolean => {
        const work = queue.take();
        if (work === null) return false;
        expect(waiting.delete(work)).toBe(true);
        inFlight.push(work);
        return true;
      };
      const isWithin = (works: readonly QueuedWork[], limit: number): boolean =>
        works.length <= 1 || works.reduce((sum, { bytes }) => sum + bytes, 0) <= limit;
      for (const step of all) {
        if (step.kind === "add") {
          const work = { streamId: `s${step.streamId}`, bytes: step.bytes };
          const addresses = new Set([step.address, step.alsoFor ?? step.address].map((each) => `a${each}`));
          for (const address of addresses) queue.add(work, address);
          waiting.set(work, addresses);
        } else if (step.kind === "take") take();
        else if (step.kind === "done") {
          const [work] = inFlight.splice(step.which % Math.max(inFlight.length, 1), 1);
          if (work !== undefined) queue.done(work);
        } else {
          const work = [...waiting.keys()][step.which % Math.max(waiting.size, 1)];
          if (work !== undefined) queue.remove(work);
          if (work !== undefined) waiting.delete(work);
        }
        expect(queue.size).toBe(waiting.size);
        expect(queue.inFlight).toBe(inFlight.length);
        expect(queue.inFlightBytes).toBe(inFlight.reduce((sum, { bytes }) => sum + bytes, 0));
        expect(isWithin(inFlight, BUDGET.total)).toBe(true);
        for (const streamId of ["s0", "s1", "s2", "s3"])
          expect(
            isWithin(
              inFlight.filter((work) => work.streamId === streamId),
              BUDGET.perStream,
            ),
          ).toBe(true);
        for (const address of ["a0", "a1", "a2", "a3"]) {
          const own = [...waiting.values()].filter((addresses) => addresses.has(address));
          expect(queue.countOf(address)).toBe(own.length);
        }
      }
      // Whatever state that led to: all that waits gets its turn as what is in flight is done.
      while (take() || inFlight.length > 0) {
        while (take());
        const work = inFlight.shift();
        if (work !== undefined) queue.done(work);
      }
      expect(waiting.size).toBe(0);
      expect(queue.size).toBe(0);
      expect(queue.inFlightBytes).toBe(0);
    }),
    { numRuns: 3_000 },
  );
});

/** Does all that waits, one piece at a time, and tells in which order. */
function drain<Work extends QueuedWork>(queue: FairQueue<Work>): Work[] {
  const order: Work[] = [];
  for (let work = queue.take(); work !== null; work = queue.take()) {
    order.push(work);
    queue.done(work);
  }
  return order;
}

test("addresses get their turns, and within an address streams, however much one of them wants", () => {
  const queue = new FairQueue<QueuedWork & { name: string }>({ total: 1, perAddress: 1, perStream: 1 });
  const add = (address: string, streamId: string, count: number): void => {
    for (let number = 1; number <= count; number++)
      queue.add({ streamId, bytes: 1, name: `${address} ${streamId} ${number}` }, address);
  };
  add("greedy", "huge", 40);
  add("greedy", "small", 1);
  add("honest", "own", 2);
  add("other", "huge", 1);
  const names = drain(queue).map(({ name }) => name);
  expect(names.slice(0, 7)).toEqual([
    "greedy huge 1",
    "honest own 1",
    "other huge 1",
    "greedy small 1",
    "honest own 2",
    "greedy huge 2",
    "greedy huge 3",
  ]);
  expect(names).toHaveLength(44);
});
