import type { PromisedPorts } from "./ports.ts";
import type { LauncherState } from "./state.ts";

export interface Welcome {
  readonly state: LauncherState;
  /** Stream of the answer at the start, to be replayed. */
  readonly streamId: string | undefined;
  readonly detached: boolean;
}

/** Welcome to a system in which everything runs: where it is, and three commands to try. */
export function welcomeText({ state, streamId, detached }: Welcome): string {
  const { edge, gateway } = state.urls;
  const edges = state.processes.filter((running) => running.name.startsWith("edge-"));
  const [firstEdge] = edges;
  const shared = edges.length > 1 ? `   (${edges.length} processes on one port)` : "";
  const again =
    streamId === undefined
      ? `curl -N ${edge}/streams/<stream_id>/events`
      : `curl -N ${edge}/streams/${streamId}/events`;
  const tries: (readonly [command: string, what: string])[] = [
    [again, "replays an answer from its first chunk; with -H 'Last-Event-ID: 5' from the sixth"],
    [
      `curl ${gateway}/prompts -H 'content-type: application/json' -d '{"prompt":"Tell me about rivers"}'`,
      "starts another answer, and gives its stream_id",
    ],
    firstEdge?.pid === undefined || firstEdge.pid === null
      ? ["npm run status", "shows what runs"]
      : [
          `kill -9 ${firstEdge.pid}`,
          "kills an edge under its readers: they resume on the other one, and it is started again",
        ],
  ];
  return [
    "",
    "Sluice is ready.",
    "",
    `  chat, in a browser        ${gateway}/chat/`,
    `  console, for operators    ${gateway}/console/`,
    "",
    `  gateway (producers)       ${gateway}`,
    `  edge (SSE)                ${edge}${shared}`,
    ...(state.urls.nats === null ? [] : [`  NATS                      ${state.urls.nats}`]),
    ...(state.urls.redis === null ? [] : [`  Redis                     ${state.urls.redis}`]),
    "",
    "Try next:",
    ...tries.flatMap(([command, what]) => ["", `  ${command}`, `      ${what}`]),
    "",
    detached
      ? "It runs in the background: `npm run status` shows it, `npm run stop` ends it."
      : "Ctrl-C ends it. `npm run status`, in another terminal, shows what runs.",
    "",
  ].join("\n");
}

/** Says what other machines can do now; it can't be overlooked. */
export function openWarning(host: string, { edge, gateway }: PromisedPorts): string {
  const rule = "!".repeat(78);
  return [
    rule,
    `!!  OPEN TO OTHER MACHINES: --host ${host}, without any authentication.`,
    `!!  Whoever reaches port ${edge} reads every stream whose id he knows, and stops it.`,
    `!!  Whoever reaches port ${gateway} lists, writes and deletes every stream, sees who reads what,`,
    "!!  and asks the worker and the model server, with your key where one is set.",
    rule,
    "",
  ].join("\n");
}

/** Can't be overlooked, since embedded mode shows Sluice without what makes it durable. */
export function embeddedBanner(reason: string): string {
  const rule = "!".repeat(78);
  return [
    "",
    rule,
    "!!  EMBEDDED MODE: one process, in memory, without NATS and Redis.",
    "!!  Nothing survives the end of this process. It shows what Sluice does, not what it withstands.",
    rule,
    ...reason.split("\n").map((line) => `!!  ${line}`),
    rule,
    "",
  ].join("\n");
}
