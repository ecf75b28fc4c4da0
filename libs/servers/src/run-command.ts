import { spawn } from "node:child_process";

// Enough for the reason of a failure; a compiler's whole output would fill the heap of a test worker.
const MAX_KEPT_OUTPUT_CHARACTERS = 16_384;

export interface CommandOptions {
  readonly timeoutMs: number;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Called with each line of either output, for progress. */
  readonly onLine?: (line: string) => void;
}

/**
 * Runs a program to its end and returns the tail of what it wrote (both outputs, interleaved).
 * @throws Error whose message is the reason in one line: not there, exit code with the last line, or out of time
 */
export function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: options.env,
      cwd: options.cwd,
      // Its own group, so that running out of time also ends what the program started (make's compilers).
      detached: process.platform !== "win32",
    });
    let output = "";
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      killGroup(child.pid);
    }, options.timeoutMs);
    const killWithParent = (): void => killGroup(child.pid);
    process.once("exit", killWithParent);

    const take = (data: string): void => {
      output = (output + data).slice(-MAX_KEPT_OUTPUT_CHARACTERS);
      if (options.onLine === undefined) return;
      for (const line of data.split("\n")) if (line.trim() !== "") options.onLine(line.trim());
    };
    child.stdout.setEncoding("utf8").on("data", take);
    child.stderr.setEncoding("utf8").on("data", take);

    const settle = (): void => {
      clearTimeout(timer);
      process.off("exit", killWithParent);
    };
    child.once("error", (error: NodeJS.ErrnoException) => {
      settle();
      reject(error.code === "ENOENT" ? new Error(`${command} is not installed`) : error);
    });
    child.once("close", (code, signal) => {
      settle();
      if (timedOut) {
        reject(new Error(`${command} took longer than ${options.timeoutMs / 1000} s`));
      } else if (code === 0) {
        resolve(output);
      } else {
        const last = output.trim().split("\n").at(-1) ?? "";
        reject(new Error(`${command} ended with ${signal ?? `exit code ${code}`}: ${last}`));
      }
    });
  });
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(process.platform === "win32" ? pid : -pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}
