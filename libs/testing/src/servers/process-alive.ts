import { readFileSync } from "node:fs";

/** Whether a process still does anything. One that has ended but that nobody has collected doesn't. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it lives and belongs to another user.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  try {
    // The state stands behind the name, which is in brackets and can contain anything. Many containers have no init
    // that collects orphans, so there they stay zombies for good.
    return !/\) Z [^)]*$/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return true;
  }
}
