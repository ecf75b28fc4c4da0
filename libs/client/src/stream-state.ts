/**
 * Phase of a stream's reading.
 *
 *   idle ──first use──▶ connecting ──▶ open ◀──▶ waiting (for the next attempt) ──▶ connecting …
 *     └── from any: ──▶ ended (there is no more) | failed (`error` says why) | closed (by the application)
 */
export type StreamState = "idle" | "connecting" | "open" | "waiting" | "ended" | "failed" | "closed";

/** Whether nothing more comes of a stream in this state. */
export const isOver = (state: StreamState): boolean => /ended|failed|closed/.test(state);
