import { createClient, SluiceError, type EndStatus, type StreamState } from "@sluice/client";
import type { ReadingState } from "./reading.ts";
import type { OpenSource } from "./relay.ts";

const CONNECTION_ID_HEADER = "Sluice-Connection-Id";

const ENDS: Record<EndStatus, ReadingState> = {
  completed: "completed",
  errored: "failed",
  cancelled: "stopped",
  deleted: "deleted",
};

/** Streams from the edge, as many as are wanted on one connection. */
export function openFromEdge(edgeUrl: string): OpenSource {
  let connectionId: string | null = null;
  const client = createClient({
    edgeUrl,
    share: true,
    fetch: async (...request) => {
      const response = await fetch(...request);
      connectionId = response.headers.get(CONNECTION_ID_HEADER) ?? connectionId;
      return response;
    },
  });
  return (streamId, events) => {
    let stream;
    try {
      stream = client.stream(streamId, { compact: true });
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error;
      // An address that somebody typed; told later, as all else is.
      queueMicrotask(() => events.onState("missing", error.message));
      return { close: () => {} };
    }
    let wasOpen = false;
    stream.on("state", (state) => {
      wasOpen ||= state === "open";
      const told = readingStateOf(state, wasOpen);
      if (told !== null) events.onState(told);
      if (state === "open" && connectionId !== null) events.onConnection(connectionId);
    });
    stream.on("chunk", (chunk) => events.onChunk(chunk));
    stream.on("gap", (gap) => {
      if (gap.reset === true) events.onReset();
      else events.onGap(gap.from, gap.to, gap.reason);
    });
    stream.on("end", ({ status }) => events.onState(status === null ? "ended" : ENDS[status]));
    stream.on("error", ({ code, message }) => {
      if (code === "STREAM_NOT_FOUND") events.onState("missing");
      else if (code === "STREAM_DELETED") events.onState("deleted");
      else events.onState("unreadable", `${message} (${code})`);
    });
    return stream;
  };
}

/** Null: nothing to tell, or it is told by what caused it. */
function readingStateOf(state: StreamState, wasOpen: boolean): ReadingState | null {
  if (state === "open") return "live";
  if (state === "waiting") return "reconnecting";
  if (state === "connecting") return wasOpen ? "reconnecting" : "connecting";
  return null;
}
