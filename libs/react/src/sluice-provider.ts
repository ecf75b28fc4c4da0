import type { Client } from "@sluice/client";
import { createContext, createElement, useContext, type ReactElement, type ReactNode } from "react";

const SluiceContext = createContext<Client | null>(null);

/** The client of all hooks below. Create it once, outside of components. */
export function SluiceProvider(props: { client: Client; children?: ReactNode }): ReactElement {
  return createElement(SluiceContext.Provider, { value: props.client }, props.children);
}

export function useSluiceClient(own?: Client): Client {
  const provided = useContext(SluiceContext);
  const client = own ?? provided;
  if (client === null) throw new Error("no Sluice client: give one to SluiceProvider, or to the hook");
  return client;
}
