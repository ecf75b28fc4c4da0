export { gatewayConfigSchema, modelServerOf, type GatewaySettings } from "./config.ts";
export { controlRoutes, type ControlOptions } from "./control/control-routes.ts";
export { GATEWAY_FIGURES } from "./figures.ts";
export { createGateway, type Gateway, type GatewayOptions } from "./gateway.ts";
export { createGatewayMetrics } from "./metrics.ts";
