/** Every Redis key, in one place. One hash tag for a partition: a script that spans its streams stays in one slot. */
export const chunksKey = (partition: number, streamId: string): string =>
  `stream:chunks:{p${partition}}:${streamId}`;
export const metaKey = (partition: number, streamId: string): string =>
  `stream:meta:{p${partition}}:${streamId}`;
export const openStreamsKey = (partition: number): string => `stream:open:{p${partition}}`;
export const endedStreamsKey = (partition: number): string => `stream:ended:{p${partition}}`;
export const checkpointKey = (partition: number): string => `ingest:checkpoint:{p${partition}}`;
export const leaseKey = (partition: number): string => `ingest:lease:{p${partition}}`;
export const MEMBERS_KEY = "ingest:members";
/** @param hash of the request's method, path and `Idempotency-Key` */
export const requestKey = (hash: string): string => `gateway:request:${hash}`;
/** @param hash of a client's name and what is counted of it */
export const quotaKey = (hash: string): string => `gateway:quota:${hash}`;
