import { StreamError } from "@sluice/core";
import type { ConnectionRegistry } from "../connection/connection-registry.ts";
import type { EdgeContext } from "../stream/context.ts";
import type { Hub } from "../stream/hub.ts";
import type { Admission } from "./admission.ts";
import type { WriteTick } from "../connection/write-tick.ts";

/** Options that the routes for readers share. */
export interface RouteOptions {
  context: EdgeContext;
  hub: Hub;
  admission: Admission;
  tick: WriteTick;
  /** Open SSE responses; kept up to date by the routes. */
  connectionRegistry: ConnectionRegistry;
  /** Signal after which no stream is begun, and long polls are answered. */
  closing: AbortSignal;
}

/** @throws StreamError DRAINING */
export function assertOpen(parts: RouteOptions): void {
  if (parts.closing.aborted) throw new StreamError("DRAINING", "this server is going away; try again");
}
