import type { RequestRecords } from "@sluice/core";
import { describe, expect, it } from "vitest";

/** Records under test, empty. */
export interface RequestRecordsUnderTest extends AsyncDisposable {
  readonly records: RequestRecords;
  /** Lets so much of the records' time pass. */
  elapse(ms: number): Promise<void>;
}

/** Promises of every RequestRecords. */
export function requestRecordsContract(name: string, open: () => Promise<RequestRecordsUnderTest>): void {
  describe(`${name} as RequestRecords`, () => {
    it("keeps what was put where nothing was, and knows nothing of other keys", async () => {
      await using subject = await open();
      const { records } = subject;
      expect(await records.read("a")).toBeNull();
      expect(await records.replace("a", null, '{"é":1}', 60_000)).toBe(true);
      expect(await records.read("a")).toBe('{"é":1}');
      expect(await records.read("b")).toBeNull();
    });

    it("puts a record only in the place of the expected one", async () => {
      await using subject = await open();
      const { records } = subject;
      expect(await records.replace("a", "0", "1", 60_000)).toBe(false);
      expect(await records.replace("a", null, "1", 60_000)).toBe(true);
      expect(await records.replace("a", null, "2", 60_000)).toBe(false);
      expect(await records.replace("a", "0", "2", 60_000)).toBe(false);
      expect(await records.read("a")).toBe("1");
      expect(await records.replace("a", "1", "2", 60_000)).toBe(true);
      expect(await records.read("a")).toBe("2");
    });

    it("lets one of many at once take a place", async () => {
      await using subject = await open();
      const { records } = subject;
      const attempts = Array.from({ length: 20 }, (_, index) =>
        records.replace("a", null, `${index}`, 60_000),
      );
      const taken = await Promise.all(attempts);
      expect(taken.filter(Boolean).length).toBe(1);
      expect(await records.read("a")).toBe(`${taken.indexOf(true)}`);
    });

    it("forgets a record after its time, which each replacement begins anew", async () => {
      await using subject = await open();
      const { records } = subject;
      await records.replace("short", null, "1", 100);
      await records.replace("renewed", null, "1", 100);
      await records.replace("renewed", "1", "2", 60_000);
      await subject.elapse(120);
      expect(await records.read("short")).toBeNull();
      expect(await records.read("renewed")).toBe("2");
      expect(await records.replace("short", null, "3", 60_000)).toBe(true);
    });
  });
}
