import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FrameThrottle } from "./frame-throttle.ts";

let frames: Map<number, () => void>;
const work = vi.fn();

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  frames = new Map();
  vi.stubGlobal("document", { visibilityState: "visible" });
  vi.stubGlobal("requestAnimationFrame", (callback: () => void) => {
    frames.set(frames.size + 1, callback);
    return frames.size;
  });
  vi.stubGlobal("cancelAnimationFrame", (handle: number) => frames.delete(handle));
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  work.mockReset();
});

test("work is done at the next frame, once", () => {
  const throttle = new FrameThrottle(work);
  throttle.ask();
  throttle.ask();
  for (const frame of frames.values()) frame();
  vi.runAllTimers();
  expect(work).toHaveBeenCalledOnce();
});

test("a tab that is hidden before its frame comes isn't waited for", () => {
  const throttle = new FrameThrottle(work);
  throttle.ask();
  vi.runAllTimers();
  expect(work).toHaveBeenCalledOnce();
  expect(frames.size).toBe(0);
});

test("where there are no frames, work is done all the same", () => {
  vi.stubGlobal("requestAnimationFrame", undefined);
  new FrameThrottle(work).ask();
  vi.runAllTimers();
  expect(work).toHaveBeenCalledOnce();
});

test("what was asked for can be done at once, and isn't done again", () => {
  const throttle = new FrameThrottle(work);
  throttle.flush();
  expect(work).not.toHaveBeenCalled();
  throttle.ask();
  throttle.flush();
  vi.runAllTimers();
  expect(work).toHaveBeenCalledOnce();
  expect(frames.size).toBe(0);
});
