import { afterEach, expect, test, vi } from "vitest";
import { isComplete } from "../chat/answers.ts";
import { openFromEdge } from "./edge-source.ts";
import { newReading, type ReadingState } from "./reading.ts";

afterEach(() => {
  vi.unstubAllGlobals();
});

/** What a page is told last of a stream that each request is answered so. */
async function lastState(answer: () => Response): Promise<ReadingState> {
  vi.stubGlobal("fetch", async () => answer());
  const states: ReadingState[] = [];
  const ignore = () => {};
  const events = { onChunk: ignore, onGap: ignore, onReset: ignore, onConnection: ignore };
  const source = openFromEdge("http://edge.test")("s", { ...events, onState: (state) => states.push(state) });
  await vi.waitFor(() => expect(states.at(-1)).not.toMatch(/connecting/), { timeout: 5_000 });
  source.close();
  return states.at(-1) ?? "connecting";
}

/** Whether it is kept as it is, and not asked for again. */
const isKept = (state: ReadingState): boolean => {
  const { status, pieces } = newReading("s");
  return isComplete({ streamId: "s", prompt: "", askedMs: 0, status: { ...status, state }, pieces });
};

const noContent = (status?: string) => () =>
  new Response(null, { status: 204, ...(status !== undefined && { headers: { "Sluice-Status": status } }) });

test.each([
  ["errored", "failed"],
  ["cancelled", "stopped"],
  ["completed", "completed"],
])("a stream of which nothing is left shows how it ended: %s", async (status, state) => {
  expect(await lastState(noContent(status))).toBe(state);
});

test("an end of which nobody says how isn't taken for success", async () => {
  expect(await lastState(noContent())).toBe("ended");
});

test("a proxy's page in the edge's place is no end of the answer, and isn't remembered as one", async () => {
  const state = await lastState(() => new Response("<h1>Forbidden</h1>", { status: 403 }));
  expect(state).toBe("unreadable");
  expect(isKept(state)).toBe(false);
  expect(isKept("failed")).toBe(true);
});
