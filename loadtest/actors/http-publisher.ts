import { Agent, request, type ClientRequest, type IncomingMessage } from "node:http";
import { createInterface } from "node:readline";
import { serve } from "../src/actor.ts";
import { Sending, type Publisher, type Sender } from "../src/sending.ts";
import { streamIdOf, type Workload } from "../src/workload.ts";

export interface HttpPublisher extends Publisher {
  /** Creates the streams. `request`: one for each chunk; `upload`: one for each stream, acknowledged while it runs. */
  open(options: { gatewayUrl: string; workload: Workload; way: "request" | "upload" }): Promise<void>;
}

const agent = new Agent({ keepAlive: true, maxSockets: Infinity });
const JSON_TYPE = "application/json";
const NDJSON_TYPE = "application/x-ndjson";

let sending: Sending;

function post(url: string, type: string): ClientRequest {
  const headers = { "content-type": type, accept: type };
  const sent = request(url, { method: "POST", agent, headers });
  sent.setNoDelay(true);
  return sent;
}

async function answerOf(sent: ClientRequest): Promise<string> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    sent.once("response", resolve).once("error", reject);
  });
  let text = "";
  for await (const bytes of response.setEncoding("utf8")) text += bytes as string;
  if ((response.statusCode ?? 500) >= 300) throw new Error(`${response.statusCode}: ${text}`);
  return text;
}

const chunkOf = (content: string): string => JSON.stringify({ type: "Text", content });

function requestSender(url: string): Sender {
  return (text) => {
    const sent = post(url, JSON_TYPE);
    sent.end(chunkOf(text));
    return answerOf(sent);
  };
}

/** Lines of one upload, each acknowledged by an answer's line that counts it in. */
function uploadSender(url: string): Sender {
  const upload = post(url, NDJSON_TYPE);
  upload.flushHeaders();
  const waiting: PromiseWithResolvers<void>[] = [];
  let acknowledged = 0;
  const fail = (reason: string): void => {
    for (const { reject } of waiting.splice(0)) reject(new Error(reason));
  };
  upload.once("error", (error) => fail(error.message));
  upload.once("response", (response) => {
    createInterface({ input: response }).on("line", (text) => {
      const { line, code } = JSON.parse(text) as { line?: number; code?: string };
      if (line === undefined || code !== undefined) return fail(text);
      for (; acknowledged < line; acknowledged++) waiting.shift()?.resolve();
    });
  });
  return (text) => {
    const sent = Promise.withResolvers<void>();
    waiting.push(sent);
    upload.write(`${chunkOf(text)}\n`);
    return sent.promise;
  };
}

serve({
  async open({ gatewayUrl, workload, way }) {
    const senderOf = way === "request" ? requestSender : uploadSender;
    const streams = Array.from({ length: workload.streams }, (_, stream) => streamIdOf(workload, stream));
    const senders = streams.map(async (streamId) => {
      const created = post(`${gatewayUrl}/streams`, JSON_TYPE);
      created.end(JSON.stringify({ stream_id: streamId }));
      await answerOf(created);
      return senderOf(`${gatewayUrl}/streams/${streamId}/chunks`);
    });
    sending = new Sending(workload, await Promise.all(senders));
  },
  runPaced: (options) => sending.runPaced(options),
  runUnpaced: (options) => sending.runUnpaced(options),
} satisfies HttpPublisher);
