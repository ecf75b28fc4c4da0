import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FakeSluice, type AppendFault } from "./fake-sluice.ts";
import { RunningSluice, runSluice } from "./run-sluice.ts";

const lines = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => `${from + index}\n`);

let fake: FakeSluice;
beforeEach(async () => {
  fake = await FakeSluice.start();
});
afterEach(() => fake.close());

describe("sluice pipe", () => {
  it("makes one chunk of each line that arrives together, in few requests, and completes", async () => {
    const { code, stdout, stderr } = await runSluice(fake, ["pipe", "--id", "demo"], lines(1, 100).join(""));
    expect(fake.textOf("demo")).toEqual(lines(1, 100));
    expect(fake.lastOf("demo")).toEqual({ type: "Complete", summary: null });
    expect(fake.batchSizes.length).toBeLessThan(10);
    expect(stdout).toBe(lines(1, 100).join(""));
    expect(stderr).toContain(`events  ${fake.url}/streams/demo/events`);
    expect(code).toBe(0);
  });

  it("sends each line as soon as it is there", async () => {
    const sluice = new RunningSluice(fake, ["pipe", "--id", "demo"]);
    for (const line of lines(1, 5)) {
      sluice.process.stdin.write(line);
      await vi.waitFor(() => expect(fake.textOf("demo").at(-1)).toBe(line), 10_000);
    }
    sluice.process.stdin.end();
    expect(await sluice.finished).toMatchObject({ code: 0 });
    expect(fake.textOf("demo")).toEqual(lines(1, 5));
  });

  it("sends a begun line after the time that it may wait, and its end as another chunk", async () => {
    const sluice = new RunningSluice(fake, ["pipe", "--id", "demo", "--flush-after", "20"]);
    sluice.process.stdin.write("Name? ");
    await vi.waitFor(() => expect(fake.textOf("demo")).toEqual(["Name? "]), 10_000);
    sluice.process.stdin.end("Ada\n");
    await sluice.finished;
    expect(fake.textOf("demo")).toEqual(["Name? ", "Ada\n"]);
  });

  it("keeps 200,000 lines in order, whatever the buffers hold", async () => {
    const { code } = await runSluice(fake, ["pipe", "--id", "big", "--quiet"], lines(1, 200_000).join(""));
    expect(code).toBe(0);
    expect(fake.textOf("big").join("")).toBe(lines(1, 200_000).join(""));
    expect(fake.textOf("big")).toHaveLength(200_000);
  });

  it.each<[string, AppendFault[]]>([
    ["requests that never arrived", ["lost before", "lost before"]],
    ["answers that got lost", ["lost after"]],
    ["a log that is away for a while", ["unavailable", "unavailable"]],
    ["a log that took what it seemed to refuse", ["unavailable after"]],
    ["all of it", ["lost before", "lost after", "unavailable after", "lost after"]],
  ])("neither loses nor doubles a chunk after %s", async (_name, faults) => {
    fake.appendFaults.push(...faults);
    const { code, stderr } = await runSluice(fake, ["pipe", "--id", "demo"], lines(1, 1_200).join(""));
    expect(stderr).not.toContain("goes no further");
    expect(code).toBe(0);
    expect(fake.textOf("demo")).toEqual(lines(1, 1_200));
    expect(fake.lastOf("demo")?.type).toBe("Complete");
    expect(fake.appendFaults).toEqual([]);
  });

  it("recognises its own end when the answer to it got lost", async () => {
    const sluice = new RunningSluice(fake, ["pipe", "--id", "demo"]);
    sluice.process.stdin.write("a\n");
    await vi.waitFor(() => expect(fake.textOf("demo")).toEqual(["a\n"]), 10_000);
    fake.appendFaults.push("lost after");
    sluice.process.stdin.end();
    expect(await sluice.finished).toMatchObject({ code: 0 });
    expect(fake.streams.get("demo")?.chunks).toHaveLength(2);
  });

  it("passes a command's exit code on and ends its stream with an Error chunk", async () => {
    const command = ["sh", "-c", "echo out; echo err >&2; exit 7"];
    const { code, stdout, stderr } = await runSluice(fake, ["pipe", "--id", "demo", "--", ...command]);
    expect({ code, stdout }).toEqual({ code: 7, stdout: "out\n" });
    expect(stderr).toContain("err\n");
    expect(fake.textOf("demo")).toEqual(["out\n"]);
    expect(fake.lastOf("demo")).toEqual({ type: "Error", error: "sh exited with 7", code: "COMMAND_FAILED" });
  });

  it("completes the stream of a command that succeeds, and leaves its options alone", async () => {
    const { code, stdout } = await runSluice(fake, ["pipe", "--id", "demo", "-q", "printf", "%s\\n", "--id"]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
    expect(fake.textOf("demo")).toEqual(["--id\n"]);
    expect(fake.lastOf("demo")).toEqual({ type: "Complete", summary: "printf exited with 0" });
  });

  it("tells of a command that a signal ended", async () => {
    const { code } = await runSluice(fake, ["pipe", "--id", "demo", "--", "sh", "-c", "kill -KILL $$"]);
    expect(code).toBe(137);
    expect(fake.lastOf("demo")).toMatchObject({ type: "Error", error: "sh was ended by SIGKILL" });
  });

  it("tells of a command that does not exist, as shells do", async () => {
    const { code } = await runSluice(fake, ["pipe", "--id", "demo", "--", "no-such-command-here"]);
    expect(code).toBe(127);
    expect(fake.lastOf("demo")).toMatchObject({ type: "Error", code: "COMMAND_FAILED" });
  });

  it("ends the stream with INTERRUPTED on Ctrl-C, after what came before", async () => {
    const sluice = new RunningSluice(fake, ["pipe", "--id", "demo"]);
    sluice.process.stdin.write("a\n");
    await vi.waitFor(() => expect(fake.textOf("demo")).toEqual(["a\n"]), 10_000);
    sluice.process.kill("SIGINT");
    expect(await sluice.finished).toMatchObject({ code: 130 });
    expect(fake.lastOf("demo")).toEqual({
      type: "Error",
      error: "interrupted by SIGINT",
      code: "INTERRUPTED",
    });
  });

  it("hands SIGTERM to the command and streams what it still says", async () => {
    const script = 'trap "echo bye; exit 0" TERM; echo hello; while :; do sleep 0.05; done';
    const sluice = new RunningSluice(fake, ["pipe", "--id", "demo", "--", "sh", "-c", script]);
    await vi.waitFor(() => expect(fake.textOf("demo")).toEqual(["hello\n"]), 10_000);
    sluice.process.kill("SIGTERM");
    expect(await sluice.finished).toMatchObject({ code: 143 });
    expect(fake.textOf("demo")).toEqual(["hello\n", "bye\n"]);
    expect(fake.lastOf("demo")).toMatchObject({ code: "INTERRUPTED" });
  });

  it("goes on streaming when nobody reads its stdout any more, without a word of it", async () => {
    const bin = fileURLToPath(new URL("../bin/sluice.js", import.meta.url));
    const script = `seq 1 20000 | "${process.execPath}" "${bin}" pipe --id demo | head -1`;
    const shell = spawn("sh", ["-c", script], { env: { ...process.env, SLUICE_GATEWAY_URL: fake.url } });
    let stderr = "";
    shell.stderr.on("data", (bytes: Buffer) => (stderr += bytes.toString()));
    await new Promise((resolve) => shell.once("close", resolve));
    expect(fake.textOf("demo")).toHaveLength(20_000);
    expect(fake.lastOf("demo")?.type).toBe("Complete");
    expect(stderr).not.toMatch(/EPIPE|error/i);
  });

  it("stops the command when its stream was ended elsewhere", async () => {
    fake.appendFaults.push("ended elsewhere");
    const { code, stderr } = await runSluice(fake, [
      "pipe",
      "--id",
      "demo",
      "--",
      "sh",
      "-c",
      "echo a; exec sleep 60",
    ]);
    expect(code).toBe(6);
    expect(stderr).toContain("sluice: stream demo goes no further: stream demo has ended (STREAM_ENDED)\n");
  });

  it("lets the command run on without its stream where the gateway stays away too long", async () => {
    fake.appendFaults.push(...Array.from({ length: 50 }, (): AppendFault => "unavailable"));
    const args = [
      "pipe",
      "--id",
      "demo",
      "--give-up-after",
      "0.3",
      "--",
      "sh",
      "-c",
      "echo a; sleep 1; echo b",
    ];
    const { code, stdout, stderr } = await runSluice(fake, args);
    expect({ code, stdout }).toEqual({ code: 3, stdout: "a\nb\n" });
    expect(stderr).toContain("goes no further: the log doesn't answer (LOG_UNAVAILABLE)");
  });

  it("runs nothing for an id that is taken, and says so in one line", async () => {
    fake.add("demo", []);
    const { code, stdout, stderr } = await runSluice(fake, ["pipe", "--id", "demo", "--", "echo", "ran"]);
    expect({ code, stdout }).toEqual({ code: 6, stdout: "" });
    expect(stderr).toBe("sluice: stream demo exists: choose another id (STREAM_EXISTS)\n");
  });
});
