import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { monotonicMs } from "./clock.ts";

/** Usage of a set of processes since `start`. */
export class UsageMeter {
  readonly #pids: Readonly<Record<string, readonly number[]>>;
  readonly #startedMs = monotonicMs();
  readonly #start: Record<string, number>;

  private constructor(pids: Readonly<Record<string, readonly number[]>>) {
    this.#pids = pids;
    this.#start = cpuSecondsOf(pids);
  }

  /** @param pids by a name that stands for them all, as in two ingest replicas */
  static start(pids: Readonly<Record<string, readonly number[]>>): UsageMeter {
    return new UsageMeter(pids);
  }

  /** CPU time by name, user and system, in µs for each of `count`; and the cores that each kept busy. */
  stop(count: number): { cpuMicros: Record<string, number>; cores: Record<string, number> } {
    const seconds = (monotonicMs() - this.#startedMs) / 1000;
    const end = cpuSecondsOf(this.#pids);
    const used = Object.keys(end).map((name): [string, number] => [
      name,
      (end[name] ?? 0) - (this.#start[name] ?? 0),
    ]);
    return {
      cpuMicros: Object.fromEntries(used.map(([name, cpu]) => [name, (cpu * 1e6) / Math.max(1, count)])),
      cores: Object.fromEntries(used.map(([name, cpu]) => [name, cpu / seconds])),
    };
  }
}

function cpuSecondsOf(pids: Readonly<Record<string, readonly number[]>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(pids).map(([name, all]) => [name, all.reduce((sum, pid) => sum + cpuSeconds(pid), 0)]),
  );
}

let clockTicks: number | undefined;

/** User and system time of all threads of a process, from its birth; in steps of 10 ms. */
function cpuSeconds(pid: number): number {
  clockTicks ??= Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
  const [user, system] = statFields(pid).slice(11, 13);
  return (Number(user) + Number(system)) / clockTicks;
}

/** The fields of /proc/<pid>/stat after the command's name, which may itself hold blanks. */
function statFields(pid: number): string[] {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}

export function residentBytes(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) * 1024;
}
