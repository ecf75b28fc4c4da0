import { mkdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { ManagedProcess } from "./managed-process.ts";
import type { ProcessSpec } from "./managed-process.ts";
import type { RunningProcess } from "./state.ts";

// Logs of a launcher that runs for weeks; the one before is kept beside it.
const MAX_LOG_BYTES = 20_000_000;

export interface SupervisorOptions {
  readonly logDirectory: string;
  readonly report: (line: string) => void;
  /** Called whenever the list of processes is another one. */
  readonly onChange: () => void;
  readonly readyTimeoutMs?: number;
}

/** Runs a table of processes: all or none at the start, then each of them kept running, until all are stopped. */
export class Supervisor {
  readonly #groups: readonly (readonly ManagedProcess[])[];
  #stopped: Promise<void> | undefined;

  constructor(specs: readonly ProcessSpec[], options: SupervisorOptions) {
    mkdirSync(options.logDirectory, { recursive: true });
    const managed = specs.map((spec) => {
      const logFile = join(options.logDirectory, `${spec.name}.log`);
      setAside(logFile);
      const { report, onChange: onPidChange, readyTimeoutMs } = options;
      const ofProcess = { logFile, report, onPidChange };
      return new ManagedProcess(
        spec,
        readyTimeoutMs === undefined ? ofProcess : { ...ofProcess, readyTimeoutMs },
      );
    });
    const groupNumbers = [...new Set(specs.map((spec) => spec.group))].toSorted((a, b) => a - b);
    this.#groups = groupNumbers.map((group) => managed.filter((_, index) => specs[index]?.group === group));
  }

  get processes(): RunningProcess[] {
    return this.#groups.flat().map(({ name, pid }) => ({ name, pid: pid ?? null }));
  }

  /** @throws Error of the first process that did not start, once all others have ended again */
  async start(): Promise<void> {
    for (const group of this.#groups) {
      if (this.#stopped !== undefined) return;
      try {
        await Promise.all(group.map((process) => process.start()));
      } catch (error) {
        await this.stop();
        throw error;
      }
    }
  }

  /** Stops in reverse order of the start. Bounded, idempotent, returns the same promise. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  /** All at once. For a user who doesn't want to wait. */
  killAll(): void {
    for (const process of this.#groups.flat()) process.kill();
  }

  async #stop(): Promise<void> {
    for (const group of this.#groups.toReversed()) {
      await Promise.all(group.map((process) => process.stop()));
    }
  }
}

function setAside(logFile: string): void {
  const size = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
  if (size > MAX_LOG_BYTES) renameSync(logFile, `${logFile}.1`);
}
