/** Script of a page that another site serves: an application with the client, the AI SDK and Sluice's transport for it. */
import { createClient } from "@sluice/client";
import { SluiceChatTransport } from "@sluice/drop-ins/ai-sdk";
import { AbstractChat, type ChatState, type UIMessage } from "ai";

/** The part of `useChat` that isn't React's. */
class Chat extends AbstractChat<UIMessage> {
  constructor(options: { edgeUrl: string; gatewayUrl: string }) {
    const state: ChatState<UIMessage> = {
      status: "ready",
      error: undefined,
      messages: [],
      pushMessage: (message) => void state.messages.push(message),
      popMessage: () => void state.messages.pop(),
      replaceMessage: (index, message) => void (state.messages[index] = message),
      snapshot: (thing) => structuredClone(thing),
    };
    const client = createClient(options);
    super({ id: "chat", state, transport: new SluiceChatTransport({ client, api: "/api/chat" }) });
  }
}

export interface PageGlobals {
  createClient: typeof createClient;
  Chat: typeof Chat;
}

Object.assign(globalThis, { createClient, Chat } satisfies PageGlobals);
