import { describe, expect, it } from "vitest";
import { StreamError, type StreamErrorCode } from "./stream-error.ts";

describe("StreamError", () => {
  it("keeps message, cause and details, and is an Error", () => {
    const cause = new Error("socket closed");
    const error = new StreamError("CACHE_UNAVAILABLE", "Try again.", { cause, details: { attempts: 3 } });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      name: "StreamError",
      message: "Try again.",
      cause,
      details: { attempts: 3 },
    });
    expect(Object.hasOwn(new StreamError("CLOSED", ""), "cause")).toBe(false);
  });

  it("tells a client what it did wrong with 4xx, and to come back with 429, 503 or 507", () => {
    const expected: Partial<Record<StreamErrorCode, [number, boolean]>> = {
      STREAM_NOT_FOUND: [404, false],
      STREAM_ENDED: [409, false],
      STREAM_DELETED: [410, false],
      INVALID_RESUME_TOKEN: [400, false],
      INVALID_CHUNK: [422, false],
      CHUNK_TOO_LARGE: [413, false],
      FENCED: [409, false],
      OVERLOADED: [503, true],
      DRAINING: [503, true],
      UNPROCESSABLE: [422, false],
      QUOTA_EXCEEDED: [429, true],
      STORAGE_FULL: [503, true],
      LOG_FULL: [507, true],
      CACHE_UNAVAILABLE: [503, true],
      CLOSED: [503, false],
    };
    for (const [code, [status, retryable]] of Object.entries(expected)) {
      const error = new StreamError(code as StreamErrorCode, "");
      expect([error.status, error.retryable], code).toEqual([status, retryable]);
    }
  });
});
