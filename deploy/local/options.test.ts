import { describe, expect, test } from "vitest";
import { parseStartOptions } from "./options.ts";

describe("the options of npm start", () => {
  test("promise 8080 and 8081, and run two of ingest and edge", () => {
    expect(parseStartOptions([])).toMatchObject({
      port: 8080,
      gatewayPort: 8081,
      ingest: 2,
      edges: 2,
      detach: false,
      autoPorts: false,
      host: "127.0.0.1",
      firstAnswer: true,
      tokensPerSecond: undefined,
    });
  });

  test("tell embedded asked for, refused and left open apart", () => {
    expect(parseStartOptions([]).embedded).toBeUndefined();
    expect(parseStartOptions(["--embedded"]).embedded).toBe(true);
    expect(parseStartOptions(["--no-embedded"]).embedded).toBe(false);
  });

  test("take numbers", () => {
    const given = ["--port", "9000", "--edges", "3", "--tokens-per-second", "12.5"];
    expect(parseStartOptions(given)).toMatchObject({ port: 9000, edges: 3, tokensPerSecond: 12.5 });
  });
});
