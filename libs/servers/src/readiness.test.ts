import { describe, expect, test } from "vitest";
import { waitUntil } from "./readiness.ts";

describe("waiting for a condition", () => {
  test("asks until the answer is yes", async () => {
    let asked = 0;
    await waitUntil("the third", () => Promise.resolve(++asked === 3), { timeoutMs: 1_000 });
    expect(asked).toBe(3);
  });

  test("ends at the deadline, also when a question gets no answer", async () => {
    const silent = new Promise<boolean>(() => {});
    await expect(waitUntil("the answer", () => silent, { timeoutMs: 20 })).rejects.toThrow(
      "the answer was not ready within 0.02 s",
    );
  });

  test("ends at once when it is aborted", async () => {
    const aborter = new AbortController();
    const silent = new Promise<boolean>(() => {});
    const waiting = waitUntil("the answer", () => silent, { timeoutMs: 10_000, signal: aborter.signal });
    aborter.abort(new Error("it is gone"));
    await expect(waiting).rejects.toThrow("it is gone");
    await expect(
      waitUntil("the answer", () => silent, { timeoutMs: 10_000, signal: aborter.signal }),
    ).rejects.toThrow("it is gone");
  });
});
