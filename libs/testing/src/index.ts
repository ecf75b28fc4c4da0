export {
  NATS_SERVER,
  REDIS_SERVER,
  ServerUnavailableError,
  findServerBinary,
  freePort,
  freePorts,
  isPortFree,
  startNats,
  startNatsCluster,
  startRedis,
} from "./servers/index.ts";
export type { NatsCluster, NatsOptions, RedisOptions, ServerHandle } from "./servers/index.ts";
