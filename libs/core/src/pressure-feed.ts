import type { Subscription } from "./live-feed.ts";

/** How hard a partition's owner finds it to keep up, as producers have to know it. */
export interface PartitionPressure {
  partition: number;
  /** How far what readers get is behind the log, ms. */
  lagMs: number;
  /** How full the log is, 0 to 1. */
  fullness: number;
}

/** Pressure on its way to producers: each second while there is some, and once when it is over; at most once, nothing kept. */
export interface PressureFeed {
  publishPressure(pressure: PartitionPressure): void;
  /** Subscribes to the pressure of all partitions. */
  subscribePressure(handler: (pressure: PartitionPressure) => void): Subscription;
}
