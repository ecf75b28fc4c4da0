export { clientOf } from "./address-counts.ts";
export { cancelRoute, type CancelRouteParts } from "./cancel-route.ts";
export { ConfigError, defaultSettings, field, loadConfig, oldNameOf, type Settings } from "./config.ts";
export { listen, type HttpServer, type ListenOptions } from "./http-server.ts";
export { Lifecycle } from "./lifecycle.ts";
export { createLogger, type Logger } from "./logger.ts";
export { createRegistry } from "./metrics.ts";
export { mountedRoutes, type MountedRoute } from "./mounted-routes.ts";
export { createInstanceName, serveReports } from "./serve-reports.ts";
export { type FigureSources } from "./service-figures.ts";
export { noSuchRoute, problemHandler } from "./problem-response.ts";
export { sendProblem } from "./send-problem.ts";

export { startService, type ServiceContext, type StartedService } from "./start-service.ts";
