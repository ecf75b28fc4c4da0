import type { Readings } from "../reading/readings.ts";
import type { WebConfig } from "../shell/web-config.ts";

/** The parts of the service that the chat page uses, once the gateway has said where they are. */
export interface Service {
  readonly config: WebConfig;
  readonly readings: Readings;
}
