import { describe, expect, it } from "vitest";
import { BackOff } from "./back-off.ts";

const never = new AbortController().signal;

describe("BackOff", () => {
  it("gives up at once where the wait would outlast the deadline", async () => {
    expect(await new BackOff(1_000).wait(60_000, never)).toBe(false);
  });

  it("ends a wait with the signal's reason", async () => {
    const controller = new AbortController();
    const waiting = new BackOff(0).wait(60_000, controller.signal);
    const reason = new Error("enough");
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
  });
});
