import type { ClientQuotas } from "@sluice/core";
import { describe, expect, it } from "vitest";

/** Quotas under test, of clients that have used nothing. */
export interface ClientQuotasUnderTest extends AsyncDisposable {
  readonly quotas: ClientQuotas;
  /** Lets so much of the accounts' time pass. */
  elapse(ms: number): Promise<void>;
}

const ENDLESS = Number.MAX_SAFE_INTEGER;

/** Promises of every ClientQuotas. */
export function clientQuotasContract(name: string, open: () => Promise<ClientQuotasUnderTest>): void {
  describe(`${name} as ClientQuotas`, () => {
    it("lets a client take as much as its bounds are, by count and by bytes, and no other one pays for it", async () => {
      await using subject = await open();
      const { quotas } = subject;
      const bounds = { count: 3, bytes: 1_000, windowMs: 60_000 };
      for (let taken = 0; taken < 3; taken++)
        expect(await quotas.take("a", { count: 1, bytes: 10 }, bounds)).toBe(0);
      expect(await quotas.take("a", { count: 1, bytes: 10 }, bounds)).toBeGreaterThan(15_000);
      expect(await quotas.take("b", { count: 1, bytes: 900 }, bounds)).toBe(0);
      expect(await quotas.take("b", { count: 1, bytes: 900 }, bounds)).toBeGreaterThan(30_000);
      expect(await quotas.take("b", { count: 1, bytes: 50 }, bounds)).toBe(0);
    });

    it("takes nothing of what doesn't fit, and says when it will", async () => {
      await using subject = await open();
      const { quotas } = subject;
      const bounds = { count: 10, bytes: ENDLESS, windowMs: 1_000 };
      expect(await quotas.take("a", { count: 10, bytes: 0 }, bounds)).toBe(0);
      for (let again = 0; again < 5; again++)
        expect(await quotas.take("a", { count: 5, bytes: 0 }, bounds)).toBeLessThanOrEqual(500);
      const waitMs = await quotas.take("a", { count: 5, bytes: 0 }, bounds);
      await subject.elapse(waitMs + 20);
      expect(await quotas.take("a", { count: 5, bytes: 0 }, bounds)).toBe(0);
    });

    it("gives all of it back within the window, and no more than that", async () => {
      await using subject = await open();
      const { quotas } = subject;
      const bounds = { count: 4, bytes: ENDLESS, windowMs: 200 };
      expect(await quotas.take("a", { count: 4, bytes: 1 }, bounds)).toBe(0);
      await subject.elapse(600);
      const slow = { ...bounds, windowMs: 600_000 };
      expect(await quotas.take("a", { count: 4, bytes: 1 }, slow)).toBe(0);
      expect(await quotas.take("a", { count: 1, bytes: 1 }, slow)).toBeGreaterThan(100_000);
    });

    it("takes back what was not needed, and never owes a client more than its bounds", async () => {
      await using subject = await open();
      const { quotas } = subject;
      const bounds = { count: 2, bytes: 100, windowMs: 600_000 };
      expect(await quotas.take("a", { count: 2, bytes: 100 }, bounds)).toBe(0);
      expect(await quotas.take("a", { count: -50, bytes: -5_000 }, bounds, true)).toBe(0);
      expect(await quotas.take("a", { count: 2, bytes: 100 }, bounds)).toBe(0);
      expect(await quotas.take("a", { count: 1, bytes: 1 }, bounds)).toBeGreaterThan(0);
    });

    it("counts what is forced, though it is more than is left", async () => {
      await using subject = await open();
      const { quotas } = subject;
      const bounds = { count: 2, bytes: 100, windowMs: 600_000 };
      expect(await quotas.take("a", { count: 0, bytes: 1_000 }, bounds, true)).toBe(0);
      expect(await quotas.take("a", { count: 1, bytes: 1 }, bounds)).toBeGreaterThan(5_000_000);
    });

    it("lets many at once have no more than one after the other", async () => {
      await using subject = await open();
      const { quotas } = subject;
      const bounds = { count: 20, bytes: ENDLESS, windowMs: 600_000 };
      const answers = await Promise.all(
        Array.from({ length: 60 }, () => quotas.take("a", { count: 1, bytes: 1 }, bounds)),
      );
      expect(answers.filter((waitMs) => waitMs === 0)).toHaveLength(20);
    });
  });
}
