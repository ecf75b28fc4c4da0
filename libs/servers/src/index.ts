export { freePort, freePorts, isPortFree } from "./free-port.ts";
export { LoggedProcess, logTail } from "./logged-process.ts";
export { NATS_IMAGE, NATS_SERVER } from "./nats-release.ts";
export { OrphanGuard } from "./orphan-guard.ts";
export { installWithApt } from "./package-manager.ts";
export { ProcessServer, startOnFreePorts } from "./process-server.ts";
export type { ProcessServerOptions } from "./process-server.ts";
export { isAlive } from "./process-state.ts";
export { httpAnswersOk, natsAnswers, redisAnswers, waitUntil } from "./readiness.ts";
export { REDIS_IMAGE, REDIS_SERVER } from "./redis-release.ts";
export { runCommand } from "./run-command.ts";
export {
  DEFAULT_CACHE_DIRECTORY,
  executableName,
  findServerBinary,
  ServerUnavailableError,
} from "./server-binary.ts";
export type {
  FindBinaryOptions,
  InstallContext,
  InstallWay,
  ServerBinary,
  ServerProgram,
} from "./server-binary.ts";
export { ForeignServer } from "./server-handle.ts";
export type { ServerHandle } from "./server-handle.ts";
