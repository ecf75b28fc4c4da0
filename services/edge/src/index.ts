export { edgeConfigSchema, type EdgeSettings } from "./config.ts";
export { createEdge, type Edge, type EdgeOptions } from "./edge.ts";
export { EDGE_FIGURES } from "./figures.ts";
export { createEdgeMetrics, registerEdgeGauges } from "./metrics.ts";
