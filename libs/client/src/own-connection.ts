import type { ClientHost } from "./client-host.ts";
import { Connection } from "./connection.ts";
import { startCursor, withQuery, type Follower, type Leave } from "./follower.ts";
import { sequenceOfToken } from "./sequence.ts";

/** Opens a connection for this stream alone. */
export function followAlone(host: ClientHost, follower: Follower): Leave {
  const { id, options, reader } = follower;
  const connection = new Connection(host, {
    ...follower,
    request() {
      // Once the reader has a position of its own, the query with the first one is left out.
      const isResumed = reader.cursor !== startCursor(options);
      const { compact, wait } = options;
      return {
        url: withQuery(`${host.edgeUrl}/streams/${id}/events`, isResumed ? { compact, wait } : options),
        lastEventId: isResumed ? String(reader.cursor) : null,
        waitMs: (wait ?? 0) * 1000,
      };
    },
    opened(headers) {
      reader.beginAfter(sequenceOfToken(headers.get("Sluice-Resume-Token") ?? ""));
    },
    take: (frame) => reader.take(frame),
  });
  return () => connection.close();
}
