import type { Subscription } from "@sluice/core";
import { afterAll, afterEach, beforeAll, describe } from "vitest";

/** Both ends of a port, opened once for a whole suite. */
interface UnderTest {
  /** Resolves when subscriptions made and closed so far are so for everybody. */
  settle?(): Promise<void>;
  close(): Promise<void>;
}

/** Tools of a contract's tests. */
export interface Contract<Subject extends UnderTest> {
  /** Only within tests: it is opened before the first of them. */
  readonly subject: Subject;
  /** Closes the subscription after the test. @returns it */
  keep<Kept extends Subscription>(subscription: Kept): Kept;
  /** Closes the subscription after the test. @returns it, once it is in force for everybody */
  settled<Kept extends Subscription>(subscription: Kept): Promise<Kept>;
}

/**
 * One suite of tests that every adapter of a port passes.
 * @param port the port's name @param name the adapter's
 */
export function describeContract<Subject extends UnderTest>(
  port: string,
  name: string,
  open: () => Promise<Subject>,
  define: (contract: Contract<Subject>) => void,
): void {
  describe(`${name} keeps the contract of ${port}:`, () => {
    let subject: Subject | undefined;
    let kept: Subscription[] = [];
    const contract: Contract<Subject> = {
      get subject() {
        if (subject === undefined) throw new Error("a contract's subject is there within tests only");
        return subject;
      },
      keep(subscription) {
        kept.push(subscription);
        return subscription;
      },
      async settled(subscription) {
        contract.keep(subscription);
        await contract.subject.settle?.();
        return subscription;
      },
    };

    beforeAll(async () => {
      subject = await open();
    });
    afterEach(async () => {
      for (const subscription of kept) subscription.close();
      if (kept.length > 0) await subject?.settle?.();
      kept = [];
    });
    afterAll(async () => {
      await subject?.close();
    });
    define(contract);
  });
}
