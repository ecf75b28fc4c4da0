/** Bounds of a gateway. */
export interface GatewaySettings {
  /** How long a message to the log is tried, ms. */
  logTimeoutMs: number;
  /** How long a worker may take to accept a prompt, ms. */
  promptTimeoutMs: number;
  /** How long ingest may take to bring a stream back, ms. */
  rebuildTimeoutMs: number;
  /** An upload that sends nothing for so long is cut, ms. */
  uploadIdleTimeoutMs: number;
  /** Appends that may be open at once; more are refused with OVERLOADED. */
  maxUploads: number;
  /** Answers of model servers that may be on their way at once; more are refused with OVERLOADED. */
  maxProxiedAnswers: number;
  /** How long those may go on once the gateway closes, ms. */
  proxyDrainTimeoutMs: number;
  /** Whether web pages of any origin may call. */
  allowAnyOrigin: boolean;
}
