import type { Chunk } from "@sluice/core";
import type { OpenSource } from "./relay.ts";

/** Provisional. */
export function openFromEdge(edgeUrl: string): OpenSource {
  return (streamId, events) => {
    const source = new EventSource(`${edgeUrl}/streams/${streamId}/events?compact=1`);
    source.addEventListener("open", () => events.onState("live"));
    const take = (event: Event): void => {
      const { data } = event as MessageEvent<string | undefined>;
      if (data === undefined) {
        events.onState(source.readyState === EventSource.CLOSED ? "missing" : "reconnecting");
        return;
      }
      const chunk = JSON.parse(data) as Chunk;
      events.onChunk(chunk);
      if (["Complete", "Error"].includes(chunk.chunk_type.type)) source.close();
    };
    for (const name of ["text", "json", "event", "progress", "error", "complete"])
      source.addEventListener(name, take);
    return source;
  };
}
