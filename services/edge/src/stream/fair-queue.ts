import { clientOf } from "@sluice/runtime";

/** Something to be done for somebody, at a price. */
export interface QueuedWork {
  readonly streamId: string;
  /** Bytes that it takes of the budget while it is in flight. */
  readonly bytes: number;
}

/** Most bytes in flight: in all, for one client address, for one stream. One piece of work alone may pass each of them. */
export interface ByteBudget {
  total: number;
  perAddress: number;
  perStream: number;
}

interface Lane<Work> {
  /** Client address; of IPv6 a network: all of its addresses are one client's. */
  readonly client: string;
  /** Work by stream, in order. The stream that stands first is next. */
  readonly queues: Map<string, Set<Work>>;
  /** Streams that have no room now. */
  readonly parked: Map<string, Set<Work>>;
  waiting: number;
  inFlightBytes: number;
}

interface StreamUse<Work> {
  inFlightBytes: number;
  /** Lanes whose work for this stream has to wait until there is room, in order. */
  readonly parkedLanes: Set<Lane<Work>>;
}

/**
 * Work of many clients, to be done in a fair order within a byte budget: in turns by client address, and for each address
 * in turns by stream. So an address that wants a thousand pages waits for its own, and others' small wishes don't.
 *
 * What can't be done yet is set aside until there is room (an address by its lane leaving the ring, a stream by its
 * queues being parked), so that taking the next piece costs the same however many wait.
 */
export class FairQueue<Work extends QueuedWork> {
  readonly #budget: ByteBudget;
  readonly #lanes = new Map<string, Lane<Work>>();
  /** Lanes that may have something to do. The one that stands first is next. */
  readonly #ring = new Set<Lane<Work>>();
  readonly #streams = new Map<string, StreamUse<Work>>();
  readonly #lanesOf = new Map<Work, Set<Lane<Work>>>();
  readonly #inFlight = new Map<Work, Lane<Work>>();
  #inFlightBytes = 0;

  constructor(budget: ByteBudget) {
    this.#budget = budget;
  }

  /** Pieces of work that wait. */
  get size(): number {
    return this.#lanesOf.size;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  get inFlightBytes(): number {
    return this.#inFlightBytes;
  }

  /** How many pieces wait for an address. */
  countOf(address: string): number {
    return this.#lanes.get(clientOf(address))?.waiting ?? 0;
  }

  /** May be called for several addresses: the work is then done at the first turn that one of them gets. */
  add(work: Work, address: string): void {
    const lane = this.#laneOf(address);
    const parked = lane.parked.get(work.streamId);
    const queue = parked ?? lane.queues.get(work.streamId) ?? new Set();
    if (queue.has(work)) return;
    queue.add(work);
    lane.waiting++;
    if (parked === undefined) {
      lane.queues.set(work.streamId, queue);
      this.#ring.add(lane);
    }
    const lanes = this.#lanesOf.get(work) ?? new Set();
    this.#lanesOf.set(work, lanes.add(lane));
  }

  /** Forgets what waits: nobody wants it any more. */
  remove(work: Work): void {
    if (!this.#lanesOf.has(work)) return;
    this.#takeOut(work);
    // It may have been the one that the next in line for its stream was behind.
    this.#unparkNext(work.streamId);
  }

  /** The next piece that the budget has room for, which counts as in flight from now on; null: there is none now. */
  take(): Work | null {
    for (;;) {
      const [lane] = this.#ring;
      if (lane === undefined) return null;
      const [next] = lane.queues;
      if (next === undefined) {
        this.#ring.delete(lane);
        continue;
      }
      const [streamId, queue] = next;
      const [work] = queue;
      if (work === undefined) {
        lane.queues.delete(streamId);
        continue;
      }
      const stream = this.#useOf(streamId);
      if (!hasRoom(stream.inFlightBytes, work.bytes, this.#budget.perStream)) {
        lane.queues.delete(streamId);
        lane.parked.set(streamId, queue);
        stream.parkedLanes.add(lane);
        continue;
      }
      if (!hasRoom(lane.inFlightBytes, work.bytes, this.#budget.perAddress)) {
        // It comes back into the ring when one of its own is done.
        this.#ring.delete(lane);
        continue;
      }
      if (!hasRoom(this.#inFlightBytes, work.bytes, this.#budget.total)) return null;
      this.#start(work, lane, stream);
      return work;
    }
  }

  /** Frees the bytes of work that is done. */
  done(work: Work): void {
    const lane = this.#inFlight.get(work);
    if (lane === undefined) return;
    this.#inFlight.delete(work);
    this.#inFlightBytes -= work.bytes;
    lane.inFlightBytes -= work.bytes;
    this.#useOf(work.streamId).inFlightBytes -= work.bytes;
    if (lane.queues.size > 0) this.#ring.add(lane);
    this.#forgetIfIdle(lane);
    this.#unparkNext(work.streamId);
  }

  #start(work: Work, lane: Lane<Work>, stream: StreamUse<Work>): void {
    this.#takeOut(work);
    this.#inFlight.set(work, lane);
    this.#inFlightBytes += work.bytes;
    lane.inFlightBytes += work.bytes;
    stream.inFlightBytes += work.bytes;
    this.#lanes.set(lane.client, lane);
    // Its turn is over: both go to the end.
    const queue = lane.queues.get(work.streamId);
    if (queue !== undefined) {
      lane.queues.delete(work.streamId);
      lane.queues.set(work.streamId, queue);
    }
    if (this.#ring.delete(lane) && lane.queues.size > 0) this.#ring.add(lane);
    this.#unparkNext(work.streamId);
  }

  /** Removes it from all lanes that it waits in. */
  #takeOut(work: Work): void {
    for (const lane of this.#lanesOf.get(work) ?? []) {
      lane.waiting--;
      for (const queues of [lane.queues, lane.parked]) {
        const queue = queues.get(work.streamId);
        queue?.delete(work);
        if (queue?.size === 0) queues.delete(work.streamId);
      }
      if (!lane.parked.has(work.streamId)) this.#streams.get(work.streamId)?.parkedLanes.delete(lane);
      this.#forgetIfIdle(lane);
    }
    this.#lanesOf.delete(work);
  }

  /** Lets the lane that has waited longest for a stream try again, where the stream may have room. */
  #unparkNext(streamId: string): void {
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return;
    const [lane] = stream.parkedLanes;
    const queue = lane?.parked.get(streamId);
    const [work] = queue ?? [];
    if (lane !== undefined && queue !== undefined && work !== undefined) {
      if (!hasRoom(stream.inFlightBytes, work.bytes, this.#budget.perStream)) return;
      stream.parkedLanes.delete(lane);
      lane.parked.delete(streamId);
      lane.queues.set(streamId, queue);
      this.#ring.add(lane);
    } else if (stream.inFlightBytes === 0) this.#streams.delete(streamId);
  }

  #laneOf(address: string): Lane<Work> {
    const client = clientOf(address);
    const known = this.#lanes.get(client);
    if (known !== undefined) return known;
    const lane: Lane<Work> = { client, queues: new Map(), parked: new Map(), waiting: 0, inFlightBytes: 0 };
    this.#lanes.set(client, lane);
    return lane;
  }

  #useOf(streamId: string): StreamUse<Work> {
    const known = this.#streams.get(streamId);
    if (known !== undefined) return known;
    const use: StreamUse<Work> = { inFlightBytes: 0, parkedLanes: new Set() };
    this.#streams.set(streamId, use);
    return use;
  }

  #forgetIfIdle(lane: Lane<Work>): void {
    if (lane.queues.size === 0) this.#ring.delete(lane);
    if (lane.queues.size === 0 && lane.parked.size === 0 && lane.inFlightBytes === 0)
      this.#lanes.delete(lane.client);
  }
}

/** One that is larger than the whole limit goes when nothing else is under way. */
function hasRoom(inFlightBytes: number, bytes: number, limit: number): boolean {
  return inFlightBytes === 0 || inFlightBytes + bytes <= limit;
}
