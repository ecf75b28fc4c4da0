/** Addresses of a stream: its events at the edge, the rest at the gateway. */
export interface StreamUrls {
  events: string;
  chunks: string;
  status: string;
}

/** @param edgeUrl with or without a slash at its end */
export function streamUrls(edgeUrl: string, streamId: string): StreamUrls {
  return {
    events: `${edgeUrl.replace(/\/+$/, "")}/streams/${streamId}/events`,
    chunks: `/streams/${streamId}/chunks`,
    status: `/streams/${streamId}`,
  };
}
