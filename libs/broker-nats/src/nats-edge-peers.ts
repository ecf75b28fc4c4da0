import { TimeoutError, type Msg } from "@nats-io/nats-core";
import {
  isStreamErrorCode,
  StreamError,
  type ConnectionPage,
  type ConnectionQuery,
  type EdgePeers,
  type EdgePod,
  type StreamChange,
  type Subscription,
} from "@sluice/core";
import {
  ALL_EDGES_SUBJECT,
  connectionPageSchema,
  connectionQuerySchema,
  edgeSubject,
  streamChangeAnswerSchema,
  streamChangeSchema,
} from "@sluice/protocol";
import { gatherAnswers } from "./gather-answers.ts";
import { isNoResponders } from "./log-errors.ts";
import type { NatsLink } from "./nats-connection.ts";
import { parseJsonAs, respond, subscribe } from "./service-request.ts";

/** Edge pods as services on core NATS: one subject for each, and one for all. */
export class NatsEdgePeers implements EdgePeers {
  readonly #link: NatsLink;

  constructor(link: NatsLink) {
    this.#link = link;
  }

  serve(podId: string, pod: EdgePod): Subscription {
    const subscriptions = [
      subscribe(this.#link, edgeSubject(podId), (message) => {
        const change = parseJsonAs(streamChangeSchema, message.data);
        if (change === null) respond(message, refusal(new StreamError("INVALID_REQUEST", "not a change")));
        else void answerChange(message, pod.changeStreams(change));
      }),
      subscribe(this.#link, ALL_EDGES_SUBJECT, (message) => {
        const query = parseJsonAs(connectionQuerySchema, message.data);
        if (query !== null) respond(message, pod.listConnections(query));
      }),
    ];
    return {
      close: () => {
        for (const subscription of subscriptions) subscription.close();
      },
    };
  }

  async changeStreams(podId: string, change: StreamChange, timeoutMs: number): Promise<void> {
    const message = await this.#request(podId, change, timeoutMs);
    const result = parseJsonAs(streamChangeAnswerSchema, message.data);
    if (result?.kind === "done") return;
    if (result === null) throw new StreamError("SERIALIZATION", "the server's answer can't be read");
    throw new StreamError(isStreamErrorCode(result.code) ? result.code : "CONNECTION", result.message);
  }

  listConnections(query: ConnectionQuery, timeoutMs: number): Promise<readonly ConnectionPage[]> {
    return gatherAnswers(this.#link, ALL_EDGES_SUBJECT, query, connectionPageSchema, timeoutMs);
  }

  async #request(podId: string, change: StreamChange, timeoutMs: number): Promise<Msg> {
    try {
      return await this.#link.connection.request(edgeSubject(podId), JSON.stringify(change), {
        timeout: timeoutMs,
      });
    } catch (error) {
      if (isNoResponders(error)) {
        throw new StreamError("CONNECTION_NOT_FOUND", "there is no such connection");
      }
      const reason = error instanceof TimeoutError ? "did not answer in time" : "can't be asked now";
      throw new StreamError("CONNECTION", `the connection's server ${reason}; try again`, { cause: error });
    }
  }
}

async function answerChange(message: Msg, changing: Promise<void>): Promise<void> {
  respond(message, await changing.then(() => ({ kind: "done" }), refusal));
}

function refusal(error: unknown): { kind: "refused"; code: string; message: string } {
  if (error instanceof StreamError) return { kind: "refused", code: error.code, message: error.message };
  return { kind: "refused", code: "CONNECTION", message: "the connection's server failed" };
}
