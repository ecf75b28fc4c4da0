import { StreamError } from "@sluice/core";
import { describe, expect, it } from "vitest";
import { problemOf } from "./problem.ts";

describe("problemOf", () => {
  it("tells status, code, what to mend, and the facts beside it", () => {
    const error = new StreamError("INVALID_CHUNK", "content: is required", {
      details: { field: "content", line: 3 },
    });
    expect(problemOf(error)).toEqual({
      type: "urn:sluice:problem:invalid_chunk",
      title: "invalid chunk",
      status: 422,
      code: "INVALID_CHUNK",
      detail: "content: is required",
      field: "content",
      line: 3,
    });
  });

  it("hides whatever is not a StreamError, and the cause of one", () => {
    const secret = new Error("connect redis://:hunter2@10.0.0.7");
    for (const error of [secret, "hunter2", { message: "hunter2" }, null, undefined]) {
      expect(problemOf(error)).toMatchObject({ status: 500, code: "INTERNAL" });
      expect(JSON.stringify(problemOf(error))).not.toContain("hunter2");
    }
    const wrapped = new StreamError("CACHE_UNAVAILABLE", "Try again in a moment.", { cause: secret });
    expect(JSON.stringify(problemOf(wrapped))).not.toContain("hunter2");
  });

  it("never lets a detail replace the status or the code", () => {
    const error = new StreamError("OVERLOADED", "Later.", {
      details: { status: 200, code: "FINE", detail: "", type: "" },
    });
    expect(problemOf(error)).toMatchObject({ status: 503, code: "OVERLOADED", detail: "Later." });
  });
});
