import type { Client } from "@sluice/client";
import { createContext, createElement, useContext, type ReactElement, type ReactNode } from "react";

const SluiceContext = createContext<Client | null>(null);

/**
 * Provides the client to all hooks below it. Create the client once, outside of components.
 *
 * @example
 * ```tsx
 * import { createClient } from "@sluice/client";
 * import { SluiceProvider } from "@sluice/react";
 * import type { ReactNode } from "react";
 *
 * const client = createClient({ edgeUrl: "https://edge.example.org", persist: true });
 *
 * export function App(props: { children: ReactNode }) {
 *   return <SluiceProvider client={client}>{props.children}</SluiceProvider>;
 * }
 * ```
 */
export function SluiceProvider(props: { client: Client; children?: ReactNode }): ReactElement {
  return createElement(SluiceContext.Provider, { value: props.client }, props.children);
}

/**
 * Returns the client that the hooks use.
 * @param own a client to use in place of the provider's
 * @throws Error there is neither a provider nor a client of its own
 *
 * @example
 * ```tsx
 * import { useSluiceClient } from "@sluice/react";
 *
 * export function StopButton(props: { streamId: string }) {
 *   const client = useSluiceClient();
 *   return <button onClick={() => client.cancel(props.streamId).catch(console.error)}>Stop</button>;
 * }
 * ```
 */
export function useSluiceClient(own?: Client): Client {
  const provided = useContext(SluiceContext);
  const client = own ?? provided;
  if (client === null)
    throw new Error("There is no Sluice client. Pass one to SluiceProvider, or to the hook as `client`.");
  return client;
}
