import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { isAlive } from "@sluice/servers";

/** State of what runs here, for `npm run status` and `npm run stop`. Its file exists exactly while a launcher runs. */
export interface LauncherState {
  readonly launcher: {
    readonly pid: number;
    readonly mode: "processes" | "embedded";
    /** False while it starts: urls and processes are then not complete. */
    readonly ready: boolean;
  };
  readonly urls: LauncherUrls;
  readonly processes: readonly RunningProcess[];
}

export interface LauncherUrls {
  readonly edge: string | null;
  readonly gateway: string | null;
  readonly nats: string | null;
  readonly redis: string | null;
  /** Admin addresses by process name; each serves /healthz, /readyz and /metrics. */
  readonly admin: Readonly<Record<string, string>>;
}

export interface RunningProcess {
  readonly name: string;
  /** Null between a crash and the restart. */
  readonly pid: number | null;
}

export const NOTHING_RUNS: LauncherUrls = {
  edge: null,
  gateway: null,
  nats: null,
  redis: null,
  admin: {},
};

/** Another launcher runs on the same home directory. */
export class AlreadyRunningError extends Error {
  readonly state: LauncherState;

  constructor(state: LauncherState) {
    super(
      [
        `Sluice already ${state.launcher.ready ? "runs" : "starts"} here (launcher pid ${state.launcher.pid}).`,
        ...(state.urls.edge === null ? [] : [`  edge     ${state.urls.edge}`]),
        ...(state.urls.gateway === null ? [] : [`  gateway  ${state.urls.gateway}`]),
        "`npm run status` shows it, `npm run stop` ends it.",
      ].join("\n"),
    );
    this.name = "AlreadyRunningError";
    this.state = state;
  }
}

/**
 * Claims the home directory for this launcher. Of two at once, one wins.
 * What a launcher that was killed left behind is taken over: its children have died with it.
 * @throws AlreadyRunningError
 */
export function claimState(file: string, state: LauncherState): void {
  mkdirSync(dirname(file), { recursive: true });
  // Linked into place with its content: a file that is still empty would look like one that a dead launcher left.
  const complete = `${file}.${process.pid}`;
  writeFileSync(complete, JSON.stringify(state));
  try {
    for (;;) {
      try {
        linkSync(complete, file);
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
      const running = readState(file);
      if (running !== undefined) throw new AlreadyRunningError(running);
      removeStale(file);
    }
  } finally {
    rmSync(complete, { force: true });
  }
}

/** Moves it away first: what another launcher has put there since the look is put back. */
function removeStale(file: string): void {
  const aside = `${file}.${process.pid}.stale`;
  try {
    renameSync(file, aside);
    if (readState(aside) !== undefined) linkSync(aside, file);
    rmSync(aside, { force: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

/** Replaces the state in one step, so that a reader never sees half of it. */
export function writeState(file: string, state: LauncherState): void {
  const temporary = `${file}.${process.pid}`;
  writeFileSync(temporary, JSON.stringify(state));
  renameSync(temporary, file);
}

export function clearState(file: string): void {
  rmSync(file, { force: true });
}

/** @returns undefined when no launcher runs, whatever a dead one has left */
export function readState(file: string): LauncherState | undefined {
  let state: LauncherState;
  try {
    state = JSON.parse(readFileSync(file, "utf8")) as LauncherState;
  } catch {
    return undefined;
  }
  return isLauncher(state.launcher.pid) ? state : undefined;
}

/** A pid alone can belong to another program since; where the system tells, its command line is asked. */
function isLauncher(pid: number): boolean {
  if (!isAlive(pid)) return false;
  if (pid === process.pid) return true;
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("start.ts");
  } catch {
    return true;
  }
}
