export { gatewayConfigSchema, settingsOf, type GatewayConfig } from "./config.ts";
export { createGateway, type Gateway, type GatewayParts } from "./gateway.ts";
export { createGatewayMetrics } from "./metrics.ts";
export { type GatewaySettings } from "./settings.ts";
