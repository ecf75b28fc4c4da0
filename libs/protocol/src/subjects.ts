/** Every NATS name, in one place. PROTOCOL.md lists what travels on each. */

export const CHUNKS_STREAM = "CHUNKS";
export const REJECTED_STREAM = "REJECTED";

/** Partitions of a new log. Fixed when the log is created, since a stream's messages must stay in one partition. */
export const DEFAULT_PARTITIONS = 32;

/** Producers publish here; the log's transform turns it into `chunkSubject`. */
export const streamSubject = (streamId: string): string => `stream.${streamId}`;
export const STREAM_SUBJECTS = "stream.*";
export const chunkSubject = (partition: number, streamId: string): string => `chunk.${partition}.${streamId}`;
export const partitionSubjects = (partition: number): string => `chunk.${partition}.*`;
export const chunkTransformTarget = (partitions: number): string =>
  `chunk.{{partition(${partitions},1)}}.{{wildcard(1)}}`;
/** The stream id in `chunk.<p>.<id>`. */
export const streamIdOfChunkSubject = (subject: string): string => subject.slice(subject.indexOf(".", 6) + 1);

export const rejectedSubject = (streamId: string): string => `rejected.${streamId}`;
export const REJECTED_SUBJECTS = "rejected.*";

export const liveSubject = (streamId: string): string => `live.${streamId}`;
export const tailSubject = (partition: number): string => `tail.${partition}`;
export const beatSubject = (streamId: string): string => `beat.${streamId}`;
export const BEAT_SUBJECTS = "beat.*";
export const TAIL_SUBJECTS = "tail.*";
export const hereSubject = (partition: number): string => `here.${partition}`;
export const rebuildSubject = (partition: number): string => `rebuild.${partition}`;
export const headSubject = (partition: number): string => `head.${partition}`;
/** A reader's wish to stop a stream, to the partition's owner. */
export const stopSubject = (partition: number): string => `stop.${partition}`;
/** The owner's word to the stream's producer. */
export const cancelSubject = (streamId: string): string => `cancel.${streamId}`;
export const READERS_SUBJECT = "readers";
export const pressureSubject = (partition: number): string => `pressure.${partition}`;
export const PRESSURE_SUBJECTS = "pressure.*";
export const REPORTS_SUBJECT = "reports";
export const edgeSubject = (podId: string): string => `edge.${podId}`;
export const ALL_EDGES_SUBJECT = "edges";
export const PROMPT_SUBJECT = "prompt";
export const WORKER_QUEUE = "workers";

/** Inboxes only: ingest publishes where a message tells it to, and a stream's subject or an API's is nobody's inbox. */
export const isReceiptSubject = (subject: string): boolean =>
  subject.length <= 128 && /^_INBOX(\.[A-Za-z0-9_-]+)+$/.test(subject);

export const HEADERS = {
  /** Number of the message's first element. */
  sequence: "Sluice-Sequence",
  /** The new stream's options, JSON. */
  options: "Sluice-Options",
  /** `delete`: a tombstone. */
  control: "Sluice-Control",
  /** The producer beats each so many ms. */
  beat: "Sluice-Beat",
  /** Where the producer wants a receipt. */
  receipt: "Sluice-Receipt",
  /** Headers on REJECTED: the reason, and the element's place. */
  reason: "Sluice-Reason",
  brokerSequence: "Sluice-Broker-Sequence",
  elementIndex: "Sluice-Element",
  messageId: "Nats-Msg-Id",
  expectedLastSequence: "Nats-Expected-Last-Subject-Sequence",
  /** Subject of the expectation: `chunk.<p>.<id>`. A clustered server would look at the subject before the transform. */
  expectedSubject: "Nats-Expected-Last-Subject-Sequence-Subject",
} as const;
