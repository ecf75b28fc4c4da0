import { Connection, type ConnectionSettings } from "./connection.ts";
import { startCursor, withQuery, type Follower, type Leave } from "./follower.ts";
import { sequenceOfToken } from "./sequence.ts";

/** A connection for this stream alone. */
export function followAlone(edgeUrl: string, settings: ConnectionSettings, follower: Follower): Leave {
  const { id, options, reader } = follower;
  const connection = new Connection(settings, {
    ...follower,
    request() {
      // Once there is a position of our own, the query with the old one is left out.
      const isResumed = reader.cursor !== startCursor(options);
      const { compact, wait } = options;
      return {
        url: withQuery(`${edgeUrl}/streams/${id}/events`, isResumed ? { compact, wait } : options),
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
