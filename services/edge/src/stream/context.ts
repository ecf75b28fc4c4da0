import type { LiveFeed } from "@sluice/core";
import type { Logger } from "@sluice/runtime";
import type { StreamLookup } from "./stream-lookup.ts";
import type { EdgeMetrics } from "../metrics.ts";
import type { EdgeSettings } from "../config.ts";

/** Objects that the parts of one edge pod share. */
export interface EdgeContext {
  readonly liveFeed: LiveFeed;
  readonly lookup: StreamLookup;
  readonly settings: Readonly<EdgeSettings>;
  readonly metrics: EdgeMetrics;
  readonly logger: Logger;
}
