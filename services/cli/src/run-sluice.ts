import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { FakeSluice } from "./fake-sluice.ts";

const BIN = fileURLToPath(new URL("../bin/sluice.js", import.meta.url));

export interface Finished {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** The real command as a process of its own, for its tests. */
export class RunningSluice {
  readonly process: ChildProcessWithoutNullStreams;
  readonly finished: Promise<Finished>;
  stdout = "";
  stderr = "";

  constructor(fake: FakeSluice, args: readonly string[]) {
    // `env` becomes the command, so that signals and the process id are the command's.
    const settings = [`SLUICE_EDGE_URL=${fake.url}`, `SLUICE_GATEWAY_URL=${fake.url}`];
    this.process = spawn("env", [...settings, process.execPath, BIN, ...args]);
    this.process.stdout.setEncoding("utf8").on("data", (text: string) => (this.stdout += text));
    this.process.stderr.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    this.process.stdin.on("error", () => undefined);
    this.finished = new Promise((resolve) => {
      this.process.once("close", (code) => resolve({ code, stdout: this.stdout, stderr: this.stderr }));
    });
  }
}

/** Runs it to its end. */
export function runSluice(fake: FakeSluice, args: readonly string[], input = ""): Promise<Finished> {
  const sluice = new RunningSluice(fake, args);
  sluice.process.stdin.end(input);
  return sluice.finished;
}
