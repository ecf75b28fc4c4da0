import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import type { Writable } from "node:stream";

// Ends by an answer, or by the closed pipe that the end of this process leaves.
const GUARD_SCRIPT = `
pid=
while read -r word value; do
  case "$word" in
    watch) pid=$value ;;
    forget) pid= ;;
    release) exit 0 ;;
  esac
done
[ -z "$pid" ] || kill -9 "$pid"
[ -z "$1" ] || { sleep 0.2; rm -rf -- "$1"; }
`;

// One hook for all: a listener for each child would pass Node's limit and look like a leak.
const watchedPids = new Set<number>();

function killWatched(): void {
  for (const pid of watchedPids) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }
}

/**
 * Kills a child when this process ends, however it ends.
 * An `exit` hook is not enough: it doesn't run on SIGKILL, nor on a signal nobody handles. So a shell waits beside
 * each guard on a pipe whose other end only this process holds. The pipe closes when this process is gone, and the
 * shell then kills the child and removes its data. On Windows only the hook remains.
 */
export class OrphanGuard {
  readonly #shell: ChildProcess | undefined;
  #pid: number | undefined;

  /** @param removeDirectory deleted when this process ends before `release`, whether a child is watched or not */
  constructor(removeDirectory = "") {
    if (process.platform === "win32") return;
    const shell = spawn("/bin/sh", ["-c", GUARD_SCRIPT, "sluice-orphan-guard", removeDirectory], {
      stdio: ["pipe", "ignore", "ignore"],
      // Its own group: a Ctrl-C in the terminal must not end the guard before what it guards.
      detached: true,
      // Not in the parent's directory, which would keep that from being deleted or unmounted.
      cwd: "/",
    });
    shell.on("error", () => {});
    // A guard that was killed by hand breaks the pipe; the child is then merely unguarded.
    shell.stdin.on("error", () => {});
    shell.unref();
    (shell.stdin as Writable & { unref(): void }).unref();
    this.#shell = shell;
  }

  /** One at a time; call `forget` once it has exited, before its pid can belong to another. */
  watch(pid: number): void {
    this.forget();
    this.#pid = pid;
    watchedPids.add(pid);
    if (watchedPids.size === 1) process.once("exit", killWatched);
    this.#tell(`watch ${pid}`);
  }

  forget(): void {
    if (this.#pid === undefined) return;
    watchedPids.delete(this.#pid);
    if (watchedPids.size === 0) process.off("exit", killWatched);
    this.#pid = undefined;
    this.#tell("forget");
  }

  release(): void {
    this.forget();
    this.#shell?.stdin?.end("release\n");
  }

  #tell(words: string): void {
    this.#shell?.stdin?.write(`${words}\n`);
  }
}
