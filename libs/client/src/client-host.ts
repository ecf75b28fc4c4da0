import type { ConnectionSettings } from "./connection.ts";
import type { Follow } from "./follower.ts";
import { followAlone } from "./own-connection.ts";
import { SharedConnection } from "./shared-connection.ts";

/** Ways to bring the frames of one edge's streams. */
export interface ClientHost extends ConnectionSettings {
  readonly edgeUrl: string;
  /** Uses a connection for the stream alone. */
  readonly followAlone: Follow;
  /** Uses a connection that carries other streams, too. */
  readonly followShared: Follow;
}

export function createHost(settings: ConnectionSettings & Pick<ClientHost, "edgeUrl">): ClientHost {
  const shared: SharedConnection[] = [];
  const host: ClientHost = {
    ...settings,
    followAlone: (follower) => followAlone(host, follower),
    followShared: (follower) => {
      // Only the server knows where it begins, or that it can't.
      if ((follower.reader.cursor ?? -1) < 0) return host.followAlone(follower);
      let connection = shared.find((each) => each.hasRoomFor(follower));
      if (connection === undefined)
        shared.push((connection = new SharedConnection(host, follower.options.compact)));
      return connection.join(follower);
    },
  };
  return host;
}
