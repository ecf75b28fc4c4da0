import type { Msg } from "@nats-io/nats-core";
import type { ServiceReport, ServiceReports, Subscription } from "@sluice/core";
import { REPORTS_SUBJECT, serviceReportSchema } from "@sluice/protocol";
import { gatherAnswers } from "./gather-answers.ts";
import type { NatsLink } from "./nats-connection.ts";
import { respond, subscribe } from "./service-request.ts";

/** One subject on core NATS that every process listens on. */
export class NatsServiceReports implements ServiceReports {
  readonly #link: NatsLink;

  constructor(link: NatsLink) {
    this.#link = link;
  }

  gather(timeoutMs: number): Promise<readonly ServiceReport[]> {
    return gatherAnswers(this.#link, REPORTS_SUBJECT, undefined, serviceReportSchema, timeoutMs);
  }

  serve(describe: () => Promise<ServiceReport>): Subscription {
    return subscribe(this.#link, REPORTS_SUBJECT, (message) => void answer(message, describe));
  }
}

async function answer(message: Msg, describe: () => Promise<ServiceReport>): Promise<void> {
  try {
    respond(message, await describe());
  } catch {
    // It can't describe itself, or the connection is closing: to the asker it is one answer less.
  }
}
