/** What differs between deployments of the same build. */
export interface WebConfig {
  /** As a browser reaches it. */
  readonly edgeUrl: string;
  /** Where edges can be killed; null but under `npm start`. */
  readonly launcherUrl: string | null;
}

const RETRY_MS = 1_000;

/** Asks until the gateway answers: a page that was restored offline starts as soon as there is a network. */
export async function loadWebConfig(): Promise<WebConfig> {
  for (;;) {
    try {
      const response = await fetch("/web-config.json");
      if (response.ok) {
        const config = (await response.json()) as { edge_url: string; launcher_url: string | null };
        return { edgeUrl: config.edge_url, launcherUrl: config.launcher_url };
      }
    } catch {
      // Offline, or the gateway is away.
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}
