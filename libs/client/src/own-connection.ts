import { Connection, type ConnectionSettings } from "./connection.ts";
import { requestQuery, startCursor, startQuery, withQuery, type Carrier, type Follower } from "./follower.ts";
import { sequenceOfToken } from "./position.ts";

/** A connection for this stream alone. */
export function followAlone(edgeUrl: string, settings: ConnectionSettings, follower: Follower): Carrier {
  const { id, options, reader } = follower;
  const connection = new Connection(settings, {
    request() {
      // Once there is a position of our own, the query with the old one is left out.
      const isResumed = reader.cursor !== startCursor(options);
      const query = [...(isResumed ? [] : startQuery(options)), ...requestQuery(options)];
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
    changed: (state, error) => follower.changed(state, error),
    over: (error) => follower.over(error),
    room: () => follower.room(),
  });
  return { leave: () => connection.close() };
}
