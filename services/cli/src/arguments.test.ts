import { describe, expect, it } from "vitest";
import {
  millisecondsArgument,
  secondsArgument,
  sequenceArgument,
  streamIdArgument,
  urlArgument,
} from "./arguments.ts";

describe("arguments", () => {
  it("take a stream id as it is and nothing that isn't one", () => {
    expect(streamIdArgument("Build_42-a")).toBe("Build_42-a");
    for (const bad of ["", "a b", "a/b", "ä", "x".repeat(129)])
      expect(() => streamIdArgument(bad)).toThrow("stream id");
  });

  it("take sequences from 1 on, written in digits", () => {
    expect(sequenceArgument("9007199254740991")).toBe(Number.MAX_SAFE_INTEGER);
    for (const bad of ["0", "-1", "1.5", "1e3", "9007199254740992", ""])
      expect(() => sequenceArgument(bad)).toThrow("whole number");
  });

  it("take times that a timer can take", () => {
    expect(secondsArgument("2.5")).toBe(2.5);
    expect(millisecondsArgument("250")).toBe(250);
    for (const bad of ["-1", "1s", "Infinity", "3000000", ""])
      expect(() => secondsArgument(bad)).toThrow("seconds");
    for (const bad of ["-1", "2.5", ""]) expect(() => millisecondsArgument(bad)).toThrow("milliseconds");
  });

  it("take http addresses, without a slash at their end", () => {
    expect(urlArgument("https://edge.example/sluice/")).toBe("https://edge.example/sluice");
    for (const bad of ["localhost:8080", "ftp://x", "8080", ""])
      expect(() => urlArgument(bad)).toThrow("address");
  });
});
