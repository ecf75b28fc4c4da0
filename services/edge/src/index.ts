export { edgeConfigSchema, type EdgeSettings } from "./config.ts";
export { createEdge, type Edge, type EdgeParts } from "./edge.ts";
export { EDGE_FIGURES } from "./figures.ts";
export { createEdgeMetrics } from "./metrics.ts";
