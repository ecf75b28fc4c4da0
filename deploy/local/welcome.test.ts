import { describe, expect, test } from "vitest";
import { NOTHING_RUNS } from "./state.ts";
import { embeddedBanner, openWarning, welcomeText } from "./welcome.ts";

describe("the welcome", () => {
  test("names the addresses and commands that work as they stand", () => {
    const text = welcomeText({
      state: {
        launcher: { pid: 1, mode: "processes", ready: true },
        urls: { ...NOTHING_RUNS, edge: "http://127.0.0.1:8080", gateway: "http://127.0.0.1:8081" },
        processes: [
          { name: "edge-1", pid: 17 },
          { name: "edge-2", pid: 18 },
        ],
      },
      streamId: "abc",
      detached: false,
    });
    expect(text).toContain("curl -N http://127.0.0.1:8080/streams/abc/events\n");
    expect(text).toContain("curl http://127.0.0.1:8081/prompts ");
    expect(text).toContain("http://127.0.0.1:8081/chat/\n");
    expect(text).toContain("http://127.0.0.1:8081/console/\n");
    expect(text).toContain("kill -9 17\n");
    expect(text).toContain("Ctrl-C ends it.");
  });
});

test("what is open to other machines is named", () => {
  const warning = openWarning("0.0.0.0", { edge: 8080, gateway: 8081 });
  expect(warning).toMatch(/OPEN TO OTHER MACHINES: --host 0\.0\.0\.0/);
  expect(warning).toMatch(/8080[^]*8081[^]*key/);
});

describe("the banner of embedded mode", () => {
  test("says what is missing, with every line of the reason", () => {
    const banner = embeddedBanner("nats-server could not be had:\n  - not on PATH");
    expect(banner).toContain("EMBEDDED MODE");
    expect(banner).toContain("!!  nats-server could not be had:\n!!    - not on PATH\n");
  });
});
