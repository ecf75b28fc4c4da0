import { Connection, type ConnectionSettings } from "./connection.ts";
import { requestQuery, startCursor, startQuery, withQuery, type Follower, type Leave } from "./follower.ts";
import { sequenceOfToken } from "./sequence.ts";

/** A connection for this stream alone. */
export function followAlone(edgeUrl: string, settings: ConnectionSettings, follower: Follower): Leave {
  const { id, options, reader } = follower;
  const connection = new Connection(settings, {
    ...follower,
    request() {
      // Once there is a position of our own, the query with the old one is left out.
      const isResumed = reader.cursor !== startCursor(options);
      const query = { ...(!isResumed && startQuery(options)), ...requestQuery(options) };
      return {
        url: withQuery(`${edgeUrl}/streams/${id}/events`, query),
        lastEventId: isResumed ? String(reader.cursor) : null,
        waitMs: (options.wait ?? 0) * 1000,
      };
    },
    opened(headers) {
      reader.beginAfter(sequenceOfToken(headers.get("Sluice-Resume-Token") ?? ""));
    },
    take: (frame) => reader.take(frame),
  });
  return () => connection.close();
}
