import { expect, test } from "vitest";
import { SharedCall } from "./shared-call.ts";

/** Looks that end when the test says so. */
function heldLook() {
  const looks: PromiseWithResolvers<number>[] = [];
  const shared = new SharedCall(() => {
    const look = Promise.withResolvers<number>();
    looks.push(look);
    return look.promise;
  });
  return { shared, looks };
}

test("all who ask at the same time get what one look saw", async () => {
  const { shared, looks } = heldLook();
  const answers = Promise.all([shared.ask(), shared.ask(), shared.ask()]);
  await expect.poll(() => looks.length).toBe(1);
  looks[0]!.resolve(7);
  expect(await answers).toEqual([7, 7, 7]);
});

test("who asks during a look gets what the next one sees, which all of those share", async () => {
  const { shared, looks } = heldLook();
  const first = shared.ask();
  await expect.poll(() => looks.length).toBe(1);
  const later = Promise.all([shared.ask(), shared.ask()]);
  looks[0]!.resolve(1);
  expect(await first).toBe(1);
  await expect.poll(() => looks.length).toBe(2);
  looks[1]!.resolve(2);
  expect(await later).toEqual([2, 2]);
});

test("a look that fails does so for those who asked for it, and the next is made all the same", async () => {
  const { shared, looks } = heldLook();
  const failing = shared.ask().catch((error: unknown) => String(error));
  await expect.poll(() => looks.length).toBe(1);
  const later = shared.ask();
  looks[0]!.reject(new Error("away"));
  expect(await failing).toBe("Error: away");
  await expect.poll(() => looks.length).toBe(2);
  looks[1]!.resolve(3);
  expect(await later).toBe(3);
});
