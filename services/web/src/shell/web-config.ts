/** Settings that differ between deployments of the same build. */
export interface WebConfig {
  /** URL of the edge, as browsers reach it. */
  readonly edgeUrl: string;
  /** URL of the launcher, which can kill edges; null unless `npm start` runs it. */
  readonly launcherUrl: string | null;
}

const RETRY_MS = 1_000;

/** Loads the settings, and retries until the gateway answers: a page that was restored offline starts as soon as it can. */
export async function loadWebConfig(): Promise<WebConfig> {
  for (;;) {
    try {
      const response = await fetch("/web-config.json");
      if (response.ok) {
        const config = (await response.json()) as { edge_url: string; launcher_url: string | null };
        return { edgeUrl: config.edge_url, launcherUrl: config.launcher_url };
      }
    } catch {
      // The browser is offline, or the gateway is down.
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}
