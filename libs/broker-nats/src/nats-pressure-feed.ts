import type { PartitionPressure, PressureFeed, Subscription } from "@sluice/core";
import { partitionPressureSchema, PRESSURE_SUBJECTS, pressureSubject } from "@sluice/protocol";
import type { NatsLink } from "./nats-connection.ts";
import { parseJsonAs, publishLive, subscribe } from "./service-request.ts";

/** Pressure on core NATS. What can't be read is dropped: the next comes a second later. */
export class NatsPressureFeed implements PressureFeed {
  readonly #link: NatsLink;

  constructor(link: NatsLink) {
    this.#link = link;
  }

  publishPressure(pressure: PartitionPressure): void {
    publishLive(this.#link, pressureSubject(pressure.partition), JSON.stringify(pressure));
  }

  subscribePressure(handler: (pressure: PartitionPressure) => void): Subscription {
    return subscribe(this.#link, PRESSURE_SUBJECTS, (message) => {
      const pressure = parseJsonAs(partitionPressureSchema, message.data);
      if (pressure !== null) handler(pressure);
    });
  }
}
