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

describe("sluice", () => {
  it.each([
    ["an unknown command", ["tial", "demo"], /unknown command 'tial'[^]*Did you mean tail/],
    ["a bad stream id", ["tail", "a/b"], /A stream id is 1 to 128 of/],
    ["a bad sequence", ["tail", "demo", "--from", "0"], /whole number from 1 on/],
    ["a bad address", ["tail", "demo", "--edge", "localhost:8080"], /Give an address such as/],
    ["a bad time", ["tail", "demo", "--give-up-after", "-1"], /Give seconds/],
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
