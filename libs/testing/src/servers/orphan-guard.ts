import { spawn } from "node:child_process";

// One hook for all: a listener for each child would pass Node's limit and look like a leak.
const ownedPids = new Set<number>();

function killOwned(): void {
  for (const pid of ownedPids) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }
}

function disown(pid: number): void {
  ownedPids.delete(pid);
  if (ownedPids.size === 0) process.off("exit", killOwned);
}

/** Ends the guard of one child: call it once the child has exited, before its pid can belong to another. */
export type ReleaseGuard = () => void;

/**
 * Kills a child when this process ends, however it ends.
 * An `exit` hook is not enough: it doesn't run on SIGKILL, nor on a signal nobody handles. So a shell waits beside
 * each child on a pipe whose other end only this process holds. The pipe closes when this process is gone, and the
 * shell then kills the child and removes its data. On Windows only the hook remains.
 * @param removeDirectory deleted with the child, when this process could not do it
 */
export function killWithParent(pid: number, removeDirectory?: string): ReleaseGuard {
  ownedPids.add(pid);
  if (ownedPids.size === 1) process.once("exit", killOwned);
  if (process.platform === "win32") return () => disown(pid);

  const script =
    'read -r answer; [ "$answer" = released ] || { kill -9 "$1"; [ -z "$2" ] || { sleep 0.2; rm -rf -- "$2"; }; }';
  const guard = spawn("/bin/sh", ["-c", script, "sluice-orphan-guard", String(pid), removeDirectory ?? ""], {
    stdio: ["pipe", "ignore", "ignore"],
    // Its own group: a Ctrl-C in the terminal must not end the guard before what it guards.
    detached: true,
    // Not in the parent's directory, which would keep that from being deleted or unmounted.
    cwd: "/",
  });
  guard.on("error", () => {});
  // A guard that was killed by hand breaks the pipe; the child is then merely unguarded.
  guard.stdin.on("error", () => {});
  guard.unref();
  (guard.stdin as unknown as { unref(): void }).unref();

  return () => {
    disown(pid);
    guard.stdin.end("released\n");
  };
}
