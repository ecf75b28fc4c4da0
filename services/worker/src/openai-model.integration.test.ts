import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { OpenAiModel } from "./openai-model.ts";

const never = new AbortController().signal;

/** Bytes in the shapes that OpenAI, a router and a local server send; written after their documentation, not captured. */
const transcript = (name: string): Buffer =>
  readFileSync(new URL(`../transcripts/${name}.sse`, import.meta.url));

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const opened: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0)) await close();
});

/** A model whose server is `handler`, on a port of its own. */
async function modelAt(handler: Handler, idleTimeoutMs = 5_000): Promise<OpenAiModel> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  opened.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/`;
  return new OpenAiModel({ baseUrl, apiKey: "sk-secret", idleTimeoutMs }, "test-model");
}

const sse = (response: ServerResponse) =>
  response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });

/** Replays a transcript in packets of `size` bytes. */
const replay =
  (name: string, size = Infinity): Handler =>
  (_request, response) => {
    const bytes = transcript(name);
    sse(response);
    response.socket?.setNoDelay(true);
    void (async () => {
      for (let at = 0; at < bytes.length; at += size) {
        response.write(bytes.subarray(at, Math.min(at + size, bytes.length)));
        await nextTurn();
      }
      response.end();
    })();
  };

interface Heard {
  text: string;
  pieces: number;
  /** The `data` of the Complete chunk. */
  end: unknown;
  /** The Error chunk. */
  error: unknown;
  /** What only the log is told. */
  logged: unknown;
}

async function listen(model: OpenAiModel, signal = never): Promise<Heard> {
  const heard: Heard = { text: "", pieces: 0, end: undefined, error: undefined, logged: undefined };
  const onError = (error: unknown): void => void (heard.logged = error);
  for await (const { chunk_type: chunk, data } of model.answer("Hello?", { signal, onError })) {
    if (chunk.type === "Text") {
      heard.text += chunk.content;
      heard.pieces++;
    } else if (chunk.type === "Complete") heard.end = data;
    else if (chunk.type === "Error") heard.error = chunk;
  }
  return heard;
}

const failsWith = (code: string, error: RegExp | string) => ({
  type: "Error",
  code,
  error: expect.stringMatching(error) as string,
});

describe("an OpenAI-compatible model", () => {
  it("asks for a stream with usage, with the key as bearer token", async () => {
    let asked: { url: string | undefined; authorization: string | undefined; body: unknown } | undefined;
    const model = await modelAt((request, response) => {
      let body = "";
      request.on("data", (bytes: Buffer) => (body += bytes.toString()));
      request.on("end", () => {
        asked = { url: request.url, authorization: request.headers.authorization, body: JSON.parse(body) };
        sse(response).end("data: [DONE]\n\n");
      });
    });
    await listen(model);
    expect(asked).toEqual({
      url: "/v1/chat/completions",
      authorization: "Bearer sk-secret",
      body: {
        model: "test-model",
        messages: [{ role: "user", content: "Hello?" }],
        stream: true,
        stream_options: { include_usage: true },
      },
    });
  });

  it.each([1, 2, 3, 7, 64, 1_460])("gives each delta as it was, with packets of %i bytes", async (size) => {
    expect(await listen(await modelAt(replay("openai", size)))).toEqual({
      text: "Grüße aus Zürich: 日本語 und 👩‍👩‍👧 in a single line.\n",
      pieces: 12,
      end: {
        model: "gpt-4.1-mini-2025-04-14",
        finish_reason: "stop",
        usage: {
          input_tokens: 11,
          output_tokens: 19,
          total_tokens: 30,
          cached_input_tokens: 0,
          reasoning_tokens: 0,
        },
      },
      error: undefined,
    });
  });

  it("passes over keep-alive comments and takes usage from where it is", async () => {
    expect(await listen(await modelAt(replay("router-keep-alive", 10)))).toEqual({
      text: "It waited",
      pieces: 2,
      end: {
        model: "meta-llama/llama-3.3-70b-instruct",
        finish_reason: "length",
        usage: { input_tokens: 8, output_tokens: 2, total_tokens: 10 },
      },
      error: undefined,
    });
  });

  it("takes a finish reason as the end where the server sends neither usage nor [DONE]", async () => {
    const heard = await listen(await modelAt(replay("local-without-done")));
    expect(heard).toEqual({
      text: "Hi!",
      pieces: 2,
      end: { model: "llama3.2", finish_reason: "stop", usage: null },
      error: undefined,
    });
  });

  it("gives what came before an error in mid-stream, and then the server's message", async () => {
    const heard = await listen(await modelAt(replay("error-in-mid-stream")));
    expect(heard.text).toBe("Half");
    expect(heard.end).toBeUndefined();
    expect(heard.error).toEqual(failsWith("LLM_ERROR", /reported: The server had an error while processing/));
  });

  it("never takes an answer that was cut before its finish reason for a whole one, wherever the cut is", async () => {
    const whole = transcript("openai");
    const finished = whole.indexOf('"finish_reason":"stop"');
    for (let cut = 0; cut < finished; cut += 211) {
      const ends = await listen(
        await modelAt((_request, response) => void sse(response).end(whole.subarray(0, cut))),
      );
      expect(ends.end).toBeUndefined();
      expect(ends.error).toEqual(failsWith("LLM_ERROR", /broke off in the middle/));
    }
  });

  it("fails when the connection is reset in mid-answer", async () => {
    const model = await modelAt((_request, response) => {
      sse(response);
      response.write(transcript("openai").subarray(0, 900), () => response.socket?.resetAndDestroy());
    });
    const heard = await listen(model);
    expect(heard.end).toBeUndefined();
    expect(heard.error).toEqual(failsWith("LLM_ERROR", /connection to the model's server failed/));
  });

  it.each([
    [
      429,
      "LLM_RATE_LIMITED",
      '{"error":{"message":"Rate limit reached for gpt-4.1-mini","type":"requests"}}',
      /429: Rate limit reached/,
    ],
    [
      500,
      "LLM_ERROR",
      '{"error":{"message":"The server had an error","type":"server_error"}}',
      /500: The server had an error/,
    ],
    [503, "LLM_OVERLOADED", "<html>upstream connect error</html>", /^the model's server answered 503$/],
    [400, "LLM_ERROR", '{"error":"model not found"}', /400: model not found/],
  ])("tells of a %i with code %s and the server's own message", async (status, code, body, message) => {
    const heard = await listen(
      await modelAt((_request, response) => void response.writeHead(status).end(body)),
    );
    expect(heard.error).toEqual(failsWith(code, message));
  });

  it("keeps to itself what the server says of our key", async () => {
    const body = '{"error":{"message":"Incorrect API key provided: sk-secret","code":"invalid_api_key"}}';
    const { error, logged } = await listen(
      await modelAt((_request, response) => void response.writeHead(401).end(body)),
    );
    expect(error).toEqual(failsWith("LLM_ERROR", /^the model's server refused our credentials \(401\)$/));
    expect((logged as Error).cause).toContain("Incorrect API key");
  });

  it("fails with the server's content type where it doesn't stream", async () => {
    const model = await modelAt((_request, response) => {
      response.writeHead(200, { "content-type": "application/json" }).end('{"choices":[]}');
    });
    expect((await listen(model)).error).toEqual(
      failsWith("LLM_ERROR", /answered with application\/json instead/),
    );
  });

  it("fails on what is no chat completion", async () => {
    const model = await modelAt((_request, response) => void sse(response).end("data: {oops\n\n"));
    expect((await listen(model)).error).toEqual(failsWith("LLM_ERROR", /no chat completion/));
  });

  it("fails on an event that never ends, before it fills the heap", async () => {
    const model = await modelAt((_request, response) => {
      sse(response).write("data: ");
      const more = () => {
        while (!response.destroyed && response.write("x".repeat(65_536)));
        if (!response.destroyed) response.once("drain", more);
      };
      more();
    });
    expect((await listen(model)).error).toEqual(failsWith("LLM_ERROR", /event that is too large/));
  });

  it("gives up on a server that falls silent in mid-answer", async () => {
    const model = await modelAt((_request, response) => {
      sse(response).write(transcript("openai").subarray(0, 900));
    }, 1_000);
    const heard = await listen(model);
    expect(heard.text).not.toBe("");
    expect(heard.error).toEqual(failsWith("LLM_TIMEOUT", /said nothing for 1 s/));
  });

  it("bears with a server that is slow but says something, be it a comment", async () => {
    const model = await modelAt((_request, response) => {
      sse(response);
      let comments = 0;
      const timer = setInterval(() => {
        if (comments++ < 10) response.write(": keep-alive\n\n");
        else {
          clearInterval(timer);
          response.end(transcript("local-without-done"));
        }
      }, 100);
    }, 600);
    expect(await listen(model)).toMatchObject({ text: "Hi!", error: undefined });
  });

  it("gives up on a server that doesn't answer at all", async () => {
    expect((await listen(await modelAt(() => {}, 50))).error).toEqual(
      failsWith("LLM_TIMEOUT", /said nothing/),
    );
  });

  it("fails where there is no server", async () => {
    const model = new OpenAiModel({ baseUrl: "http://127.0.0.1:9", apiKey: null, idleTimeoutMs: 5_000 }, "m");
    expect((await listen(model)).error).toEqual(
      failsWith("LLM_ERROR", /connection to the model's server failed/),
    );
  });

  it("ends with the code of the signal's reason when aborted, and hangs up on the server", async () => {
    const controller = new AbortController();
    const reason = Object.assign(new Error("enough"), { code: "WORKER_STOPPED" });
    const hungUp = Promise.withResolvers<void>();
    const model = await modelAt((_request, response) => {
      sse(response).write(transcript("openai").subarray(0, 900), () => controller.abort(reason));
      response.once("close", hungUp.resolve);
    });
    const heard = await listen(model, controller.signal);
    expect(heard.error).toEqual(failsWith("WORKER_STOPPED", "enough"));
    expect(heard.logged).toBe(reason);
    await hungUp.promise;
  });

  it("hangs up on the server when its reader breaks off", async () => {
    const hungUp = Promise.withResolvers<void>();
    const model = await modelAt((_request, response) => {
      sse(response).write(transcript("openai").subarray(0, 900));
      response.once("close", hungUp.resolve);
    });
    for await (const _ of model.answer("Hello?", { signal: never })) break;
    await expect(hungUp.promise).resolves.toBeUndefined();
  });
});
