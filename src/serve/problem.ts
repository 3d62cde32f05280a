/** Errors as RFC 9457 problem documents. */

import { STATUS_CODES } from "node:http";
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { type ErrorCode, TesseraeError } from "../errors.ts";

/** An error with the seconds after which it makes sense to ask again. */
export class OverloadError extends TesseraeError {
  constructor(
    message: string,
    readonly retryAfterSeconds: number,
  ) {
    super("overloaded", message);
  }
}

export interface Problem {
  readonly status: number;
  readonly code: ErrorCode | "defect";
  readonly detail: string;
}

/**
 * Answers an error; defects are logged and told without their message. `alsoAs` gives fields in which a protocol's own
 * clients look for errors.
 */
export function sendProblem(
  error: FastifyError | Error,
  request: FastifyRequest,
  reply: FastifyReply,
  alsoAs: (problem: Problem) => object = () => ({}),
): void {
  const problem = problemOf(error);
  const { status, code, detail } = problem;
  if (status === 500) request.log.error(error); // 501, 503 and 504 are ordinary answers
  if (error instanceof OverloadError) reply.header("retry-after", String(error.retryAfterSeconds));
  void reply
    .code(status)
    .type("application/problem+json")
    .send({
      type: "about:blank",
      title: STATUS_CODES[status] ?? "Error",
      status,
      detail,
      instance: request.url,
      code,
      requestId: request.id,
      ...alsoAs(problem),
    });
}

export function problemOf(error: FastifyError | Error): Problem {
  if (error instanceof TesseraeError)
    return { status: error.status, code: error.code, detail: error.message };
  const status = "statusCode" in error && typeof error.statusCode === "number" ? error.statusCode : 500;
  if (status < 500) return { status, code: "request", detail: error.message };
  return {
    status: 500,
    code: "defect",
    detail: "the server failed in a way it should not; its log says more",
  };
}
