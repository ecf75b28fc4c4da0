import type { RebuildAnswer } from "@sluice/core";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { RebuildGate, type IsWanted } from "./rebuild-gate.ts";

const ANSWER: RebuildAnswer = { kind: "unknown" };

test("askers of the same stream share one rebuild", async () => {
  const gate = new RebuildGate(4);
  let runs = 0;
  const rebuild = async (): Promise<RebuildAnswer> => {
    runs++;
    await Promise.resolve();
    return ANSWER;
  };
  await Promise.all([gate.run("a", rebuild), gate.run("a", rebuild), gate.run("a", rebuild)]);
  expect(runs).toBe(1);
  await gate.run("a", rebuild);
  expect(runs).toBe(2);
});

test("no more rebuilds run at once than allowed, and all get their turn, also after failures", async () => {
  const gate = new RebuildGate(3);
  let running = 0;
  let most = 0;
  const outcomes = await Promise.allSettled(
    Array.from({ length: 50 }, (_, index) =>
      gate.run(`s${index}`, async () => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setImmediate(resolve));
        running--;
        if (index % 5 === 0) throw new Error("no");
        return ANSWER;
      }),
    ),
  );
  expect(most).toBe(3);
  expect(outcomes.filter((outcome) => outcome.status === "fulfilled")).toHaveLength(40);
});

test("behind a thousand that wait, the next is refused at once, and told to try again", async () => {
  const gate = new RebuildGate(1);
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  const rebuild = async (): Promise<RebuildAnswer> => {
    await opened;
    return ANSWER;
  };
  const all = Array.from({ length: 1_001 }, (_, index) => gate.run(`s${index}`, rebuild));
  await expect(gate.run("late", rebuild)).rejects.toMatchObject({ code: "OVERLOADED", retryable: true });
  const shared = gate.run("s7", rebuild);
  open();
  await expect(shared).resolves.toEqual(ANSWER);
  expect(await Promise.all(all)).toHaveLength(1_001);
  await expect(gate.run("late", rebuild)).resolves.toEqual(ANSWER);
});

test("the same stream is not worked on again at once after long work for it; others, and it after short work, are", async () => {
  const gate = new RebuildGate(1);
  const begun: string[] = [];
  const work = (name: string, ms: number) => async (): Promise<RebuildAnswer> => {
    begun.push(name);
    await delay(ms);
    return ANSWER;
  };
  await gate.run("huge", work("huge", 600));
  const again = gate.run("huge", work("huge", 1));
  await gate.run("small", work("small", 1));
  await gate.run("small", work("small", 1));
  expect(begun).toEqual(["huge", "small", "small"]);
  await again;
  expect(begun).toEqual(["huge", "small", "small", "huge"]);
});

test("work is told when nobody has asked for it for long, and that it is wanted as long as somebody does", async () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  try {
    const gate = new RebuildGate(1);
    const wanted: boolean[] = [];
    let finish = (): void => {};
    const held = new Promise<void>((resolve) => (finish = resolve));
    let isWanted: IsWanted = () => false;
    const work = async (asked: IsWanted): Promise<RebuildAnswer> => {
      isWanted = asked;
      await held;
      return ANSWER;
    };
    const first = gate.run("s", work);
    await new Promise((resolve) => setImmediate(resolve));
    for (const asksAgain of [true, true, false, false]) {
      vi.advanceTimersByTime(20_000);
      if (asksAgain) void gate.run("s", work);
      wanted.push(isWanted());
    }
    expect(wanted).toEqual([true, true, true, false]);
    finish();
    await first;
  } finally {
    vi.useRealTimers();
  }
});
