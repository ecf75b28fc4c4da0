import { startContainer } from "./container-server.ts";
import {
  freePort,
  ProcessServer,
  startOnFreePorts,
  redisAnswers,
  REDIS_IMAGE,
  REDIS_SERVER,
  findServerBinary,
  ForeignServer,
  type ServerHandle,
} from "@sluice/servers";

export interface RedisOptions {
  /** A local process even where REDIS_URL is set or a container engine answers: for what needs signals. */
  readonly local?: boolean;
  /**
   * When Redis writes its snapshot, as in redis.conf: `"60 1"`. Without it a restart comes back empty;
   * with it a restart in good order keeps all, and a kill falls back to the last snapshot (BGSAVE makes one).
   */
  readonly save?: string;
  /** More arguments, as in `['--maxmemory', '10mb']`. */
  readonly args?: readonly string[];
}

/**
 * A Redis server: the one at REDIS_URL (options and isolation are then the giver's), else a container, else a local process.
 * @throws ServerUnavailableError when there is no redis-server and none can be installed
 */
export async function startRedis(options: RedisOptions = {}): Promise<ServerHandle> {
  const settings = [
    "--save",
    options.save ?? "",
    "--appendonly",
    "no",
    // As in production: a full cache must refuse writes, not forget chunks.
    "--maxmemory-policy",
    "noeviction",
    ...(options.args ?? []),
  ];
  if (options.local !== true) {
    const given = process.env["REDIS_URL"];
    if (given !== undefined && given !== "") return new ForeignServer(given, "the one given by REDIS_URL");
    const container = await startContainer({
      image: REDIS_IMAGE,
      command: ["redis-server", ...settings],
      files: [],
      containerPort: 6379,
      scheme: "redis",
      isReady: redisAnswers,
    });
    if (container !== undefined) return container;
  }
  const binary = await findServerBinary(REDIS_SERVER);
  return startOnFreePorts(async () => {
    const port = await freePort();
    return ProcessServer.start({
      name: "redis-server",
      command: binary.path,
      url: `redis://127.0.0.1:${port}`,
      port,
      args: (dataDirectory) => [
        "--port",
        String(port),
        "--bind",
        "127.0.0.1",
        "--dir",
        dataDirectory,
        ...settings,
      ],
      isReady: () => redisAnswers(port),
    });
  });
}
