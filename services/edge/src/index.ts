export { createEdge, type Edge, type EdgeParts } from "./edge.ts";
export { DEFAULT_EDGE_SETTINGS, type EdgeSettings } from "./settings.ts";
