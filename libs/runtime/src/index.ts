export { startAdminServer, type ReadinessCheck } from "./admin-server.ts";
export { ConfigError, loadConfig, settings } from "./config.ts";
export { listen, type HttpServer, type ListenOptions } from "./http-server.ts";
export { Lifecycle, runMain } from "./lifecycle.ts";
export { createLogger, type Logger } from "./logger.ts";
export { createRegistry } from "./metrics.ts";
export { createInstanceName, serveReports } from "./serve-reports.ts";
export { type FigureSources } from "./service-figures.ts";
export { noSuchRoute, problemHandler, sendProblem } from "./problem-response.ts";
