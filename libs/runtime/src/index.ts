export { startAdminServer, type ReadinessCheck } from "./admin-server.ts";
export { cancelRoute, type CancelRouteParts } from "./cancel-route.ts";
export {
  ConfigError,
  defaultSettings,
  field,
  loadConfig,
  MAX_TIMER_MS,
  oldNameOf,
  type RenamedSetting,
  type Settings,
  warnRenamed,
} from "./config.ts";
export { listen, type HttpServer, type ListenOptions } from "./http-server.ts";
export { Lifecycle, runMain } from "./lifecycle.ts";
export { createLogger, type Logger } from "./logger.ts";
export { createMemoryMeter } from "./memory-use.ts";
export { createRegistry } from "./metrics.ts";
export { mountedRoutes, type MountedRoute } from "./mounted-routes.ts";
export { createInstanceName, serveReports } from "./serve-reports.ts";
export { type FigureSources } from "./service-figures.ts";
export { noSuchRoute, problemHandler, sendProblem } from "./problem-response.ts";
