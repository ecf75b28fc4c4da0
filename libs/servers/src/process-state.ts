import { readFileSync, readdirSync } from "node:fs";
import { runCommand } from "./run-command.ts";

const PS_TIMEOUT_MS = 2_000;

/** Whether a process still does anything. One that has ended but that nobody has collected doesn't. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it lives and belongs to another user.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  // Many containers have no init that collects orphans; there they stay zombies for good.
  return stateIn(`/proc/${pid}/stat`) !== "Z";
}

/** Whether every thread of a process has stopped after SIGSTOP. */
export async function isPaused(pid: number): Promise<boolean> {
  if (process.platform === "linux") {
    const threads = readdirSync(`/proc/${pid}/task`);
    return threads.every((thread) => stateIn(`/proc/${pid}/task/${thread}/stat`) === "T");
  }
  const state = await runCommand("ps", ["-o", "state=", "-p", String(pid)], { timeoutMs: PS_TIMEOUT_MS });
  return state.trim().startsWith("T");
}

/** The letter behind the name, which is in brackets and can contain anything. */
function stateIn(file: string): string | undefined {
  try {
    return /\) ([A-Za-z]) [^)]*$/.exec(readFileSync(file, "utf8"))?.[1];
  } catch {
    return undefined;
  }
}
