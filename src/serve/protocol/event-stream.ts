/** Answers that come piece by piece, as server-sent events. */

import { Readable } from "node:stream";
import type { FastifyReply } from "fastify";
import { problemOf } from "../problem.ts";

export interface EventStreamOptions {
  /** The line of data after the last event; default none. */
  readonly last?: string;
  /** Told once how the stream ended. */
  readonly onEnd: (error?: unknown) => void;
}

/**
 * Sends each value as one event. What fails before the first is answered as any error; later it is an event `error`
 * with a problem document, since the status is sent by then.
 */
export async function sendEvents(
  reply: FastifyReply,
  values: AsyncIterable<object>,
  { last, onEnd }: EventStreamOptions,
): Promise<FastifyReply> {
  const iterator = values[Symbol.asyncIterator]();
  const first = await iterator.next();
  async function* events(): AsyncGenerator<string> {
    let failure: unknown;
    try {
      for (let next = first; !next.done; next = await iterator.next()) yield eventOf(next.value);
      if (last !== undefined) yield `data: ${last}\n\n`;
    } catch (error) {
      failure = error;
      const { status, code, detail } = problemOf(error as Error);
      yield `event: error\n${eventOf({ status, code, detail, error: detail })}`;
    } finally {
      await iterator.return?.();
      onEnd(failure);
    }
  }
  return reply
    .type("text/event-stream; charset=utf-8")
    .headers({ "cache-control": "no-cache", "x-accel-buffering": "no" })
    .send(Readable.from(events()));
}

const eventOf = (value: object): string => `data: ${JSON.stringify(value)}\n\n`;
