import { httpAnswersOk, natsAnswers, redisAnswers } from "@sluice/servers";
import { NOTHING_RUNS } from "./state.ts";
import type { LauncherState } from "./state.ts";

/** One object, for programs: the same shape whether something runs or not. */
export function statusJson(state: LauncherState | undefined): string {
  return JSON.stringify(state ?? { launcher: null, urls: NOTHING_RUNS, processes: [] });
}

/** A table for people; asks each process now whether it is ready. */
export async function statusTable(state: LauncherState | undefined): Promise<string> {
  if (state === undefined) return "Nothing runs. `npm start` starts it.";
  const { launcher, urls, processes } = state;
  const rows = await Promise.all(
    processes.map(async ({ name, pid }) => {
      const health = pid === null ? "starting again" : await healthOf(name, state);
      return [name, pid === null ? "-" : String(pid), health, addressOf(name, state) ?? ""];
    }),
  );
  const head = `Sluice ${launcher.ready ? "runs" : "is starting"} (launcher pid ${launcher.pid}${
    launcher.mode === "embedded" ? ", EMBEDDED: in memory, without NATS and Redis" : ""
  })`;
  return [
    head,
    "",
    `  gateway (producers)       ${urls.gateway ?? "-"}`,
    `  edge (SSE)                ${urls.edge ?? "-"}`,
    "",
    ...table([["process", "pid", "state", "admin or address"], ...rows]),
  ].join("\n");
}

function addressOf(name: string, { urls }: LauncherState): string | undefined {
  if (name === "nats") return urls.nats ?? undefined;
  if (name === "redis") return urls.redis ?? undefined;
  return urls.admin[name];
}

async function healthOf(name: string, state: LauncherState): Promise<string> {
  const address = addressOf(name, state);
  if (address === undefined) return "runs";
  const { hostname, port } = new URL(address);
  if (name === "nats") return (await natsAnswers(Number(port), hostname)) ? "ready" : "silent";
  if (name === "redis") return (await redisAnswers(Number(port), hostname)) ? "ready" : "silent";
  return (await httpAnswersOk(`${address}/readyz`)) ? "ready" : "not ready";
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("   ")}`.trimEnd(),
  );
}
