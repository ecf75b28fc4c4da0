import { expect, test } from "vitest";
import { Mutex } from "./mutex.ts";

test("tasks run one at a time, in the order of asking, and one that fails holds nobody up", async () => {
  const mutex = new Mutex();
  const steps: string[] = [];
  const take = (name: string, fails = false): Promise<string> =>
    mutex.run(async () => {
      steps.push(`${name} begins`);
      await new Promise((resolve) => setImmediate(resolve));
      steps.push(`${name} ends`);
      if (fails) throw new Error(name);
      return name;
    });
  const results = await Promise.allSettled([take("a"), take("b", true), take("c")]);
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(steps).toEqual(["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
  expect(await take("d")).toBe("d");
});
