export { freePort, freePorts, isPortFree } from "./free-port.ts";
export { NATS_SERVER } from "./nats-release.ts";
export { startNats, startNatsCluster } from "./nats-server.ts";
export type { NatsCluster, NatsClusterOptions, NatsOptions } from "./nats-server.ts";
export { killWithParent } from "./orphan-guard.ts";
export type { ReleaseGuard } from "./orphan-guard.ts";
export { httpAnswersOk, natsAnswers, redisAnswers, waitUntil } from "./readiness.ts";
export { REDIS_SERVER } from "./redis-release.ts";
export { startRedis } from "./redis-server.ts";
export type { RedisOptions } from "./redis-server.ts";
export {
  DEFAULT_CACHE_DIRECTORY,
  ServerUnavailableError,
  findServerBinary,
} from "./server-binary.ts";
export type {
  FindBinaryOptions,
  InstallWay,
  ServerBinary,
  ServerProgram,
} from "./server-binary.ts";
export type { ServerHandle } from "./server-handle.ts";
