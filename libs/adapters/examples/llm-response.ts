/**
 * A model's answer as a stream; its id is there at once, for whoever asked.
 *
 *   OPENAI_API_KEY=… node libs/adapters/examples/llm-response.ts nats://127.0.0.1:4222 "Why is the sky blue?"
 */
import { fromOpenAiChat } from "@sluice/adapters/openai-chat";
import { connectProducer, type StreamManager } from "@sluice/producer";
import OpenAI from "openai";

async function streamLlmResponse(
  manager: StreamManager,
  openai: OpenAI,
  prompt: string,
): Promise<{ streamId: string; written: Promise<unknown> }> {
  const { streamId, handle } = await manager.createStream();
  const answer = openai.chat.completions.create({
    model: "gpt-5-mini",
    messages: [{ role: "user", content: prompt }],
    stream: true,
    stream_options: { include_usage: true },
  });
  // Ends the stream as well: completed, cancelled by its readers, or with the model's error.
  const written = handle.pipe(fromOpenAiChat(answer, { signal: handle.signal }));
  return { streamId, written };
}

const [servers = "nats://127.0.0.1:4222", prompt = "Why is the sky blue?"] = process.argv.slice(2);
await using manager = await connectProducer({ servers });
const { streamId, written } = await streamLlmResponse(manager, new OpenAI(), prompt);
process.stdout.write(`${streamId}\n`);
await written;
