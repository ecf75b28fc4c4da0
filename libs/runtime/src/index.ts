export { startAdminServer, type ReadinessCheck } from "./admin-server.ts";
export { AddressCounts } from "./address-counts.ts";
export { BodyBudget, type BodyLease } from "./body-budget.ts";
export { BodyPace, type BodyPaceLimits } from "./body-pace.ts";
export { createBrowserAccess, type BrowserAccess, type BrowserAccessOptions } from "./browser-access.ts";
export { ByteGatherer } from "./byte-gatherer.ts";
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
export { type HttpLimits } from "./http-limits.ts";
export { dontStore } from "./dont-store.ts";
export { corsOrigins, httpServerOptions, httpSettings, type HttpSettings } from "./http-settings.ts";
export { acceptBody, assertUnpacked, hasBody, jsonBody } from "./json-body.ts";
export { Lifecycle, runMain } from "./lifecycle.ts";
export { createLogger, type Logger } from "./logger.ts";
export { createRegistry, socketGauge } from "./metrics.ts";
export { mountedRoutes, type MountedRoute } from "./mounted-routes.ts";
export { type SocketState } from "./open-sockets.ts";
export { createInstanceName, serveReports } from "./serve-reports.ts";
export { type FigureSources } from "./service-figures.ts";
export { noSuchRoute, problemHandler } from "./problem-response.ts";
export { sendProblem } from "./send-problem.ts";
