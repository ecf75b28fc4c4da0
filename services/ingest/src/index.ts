export { ingestConfigSchema, type IngestSettings } from "./config.ts";
export { INGEST_FIGURES } from "./figures.ts";
export { startIngester, type Ingester, type IngesterOptions } from "./ingester.ts";
export { createIngestMetrics } from "./metrics.ts";
