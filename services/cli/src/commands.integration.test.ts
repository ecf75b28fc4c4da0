import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeSluice } from "./fake-sluice.ts";
import { runSluice } from "./run-sluice.ts";

let fake: FakeSluice;
beforeEach(async () => {
  fake = await FakeSluice.start();
});
afterEach(() => fake.close());

describe("sluice ask", () => {
  it("puts the prompt to a worker and prints its answer", async () => {
    const { code, stdout } = await runSluice(fake, ["ask", "does", "it", "work?"]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: "It works.\n" });
    expect(fake.prompts).toEqual(["does it work?"]);
  });

  it("reads a prompt from stdin", async () => {
    await runSluice(fake, ["ask", "-"], "a long one\n");
    expect(fake.prompts).toEqual(["a long one"]);
  });

  it("says that no worker serves, with exit code 3", async () => {
    expect(await runSluice(fake, ["ask", "nobody?"])).toEqual({
      code: 3,
      stdout: "",
      stderr: "sluice: no worker serves prompts now (NO_WORKER)\n",
    });
  });
});

describe("sluice create", () => {
  it("prints nothing but the id on stdout", async () => {
    const { code, stdout } = await runSluice(fake, ["create", "--id", "mine"]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: "mine\n" });
    expect(fake.streams.has("mine")).toBe(true);
  });
});

describe("sluice status", () => {
  it("prints a field a line, or one line of JSON", async () => {
    fake.add("demo", [{ type: "Text", content: "a" }]);
    expect((await runSluice(fake, ["status", "demo"])).stdout).toBe(
      "stream_id      demo\nstatus         open\nhead_sequence  1\n",
    );
    const { stdout } = await runSluice(fake, ["status", "demo", "--json"]);
    expect(JSON.parse(stdout)).toEqual({ stream_id: "demo", status: "open", head_sequence: 1 });
  });

  it("exits with 4 where there is no such stream", async () => {
    expect(await runSluice(fake, ["status", "nope"])).toMatchObject({ code: 4, stdout: "" });
  });
});

describe("sluice streams", () => {
  const list = {
    streams: [
      {
        stream_id: "demo",
        status: "errored",
        head_sequence: 7,
        chunk_count: 6,
        byte_count: 2_048,
        created_ms: 1,
        updated_ms: 2,
        ended_ms: 2,
        cancel_requested_ms: null,
      },
    ],
    next_cursor: "onwards",
  };

  it("prints a stream a line, of the status that is asked for, and how to go on", async () => {
    fake.control.set("/streams?status=errored&prefix=d&limit=20", list);
    const { code, stdout, stderr } = await runSluice(fake, [
      "streams",
      "--status",
      "errored",
      "--prefix",
      "d",
    ]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^demo  errored  6 chunks  2\.0 KiB  \d+ d ago\n$/);
    expect(stderr).toBe("there may be more: --cursor onwards\n");
    fake.control.set("/streams?cursor=onwards&limit=1", { streams: [], next_cursor: null });
    const rest = await runSluice(fake, ["streams", "--cursor", "onwards", "--limit", "1"]);
    expect(rest).toEqual({ code: 0, stdout: "", stderr: "no such streams\n" });
  });

  it("prints each as it is told, as a line of JSON", async () => {
    fake.control.set("/streams?limit=20", list);
    const { stdout } = await runSluice(fake, ["streams", "--json"]);
    expect(JSON.parse(stdout)).toEqual(list.streams[0]);
  });

  it("says what is missing where a gateway has no routes for operators", async () => {
    const { code, stderr } = await runSluice(fake, ["streams"]);
    expect(code).toBe(6);
    expect(stderr).toContain("CONTROL_ENABLED=true");
  });
});

describe("sluice services", () => {
  it("prints each process with its figures", async () => {
    const figures = { connections: 12, rss_bytes: 3 * 1024 ** 2, lag_p99_ms: 4.25 };
    const service = { service: "edge", instance: "pod1", started_ms: Date.now(), figures, partitions: [] };
    fake.control.set("/control/services", { services: [service] });
    const { code, stdout } = await runSluice(fake, ["services"]);
    expect(code).toBe(0);
    expect(stdout.replaceAll(/ +/g, " ")).toMatch(
      /^edge pod1, for \d+ s\n connections 12\n rss_bytes 3\.0 MiB\n lag_p99_ms 4\.3 ms\n$/,
    );
    const asJson = await runSluice(fake, ["services", "--json"]);
    expect(JSON.parse(asJson.stdout)).toEqual(service);
  });
});

describe("sluice", () => {
  it.each([
    ["an unknown command", ["tial", "demo"], /unknown command 'tial'[^]*Did you mean tail/],
    ["a bad stream id", ["tail", "a/b"], /A stream id is 1 to 128 of/],
    ["a bad sequence", ["tail", "demo", "--from", "0"], /whole number from 1 on/],
    ["a bad address", ["tail", "demo", "--edge", "localhost:8080"], /Give an address such as/],
    ["a bad time", ["tail", "demo", "--give-up-after", "-1"], /Give seconds/],
    ["a bad status", ["streams", "--status", "closed"], /Allowed choices are open, ended/],
    ["a missing argument", ["status"], /missing required argument 'id'/],
  ])("refuses %s with exit code 2 and says what is wrong", async (_name, args, message) => {
    const { code, stdout, stderr } = await runSluice(fake, args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(message);
  });

  it("explains its exit codes and gives examples", async () => {
    const { code, stdout } = await runSluice(fake, ["--help"]);
    expect(code).toBe(0);
    expect(stdout).toContain("141  nobody reads the output any more");
    expect((await runSluice(fake, ["help", "pipe"])).stdout).toContain("seq 1 100 | sluice pipe --id demo");
  });
});
