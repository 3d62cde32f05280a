/** Our errors as gRPC statuses, and statuses as our errors. */

import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { type ErrorCode, errorCodes, TesseraeError } from "../../errors.ts";
import { OverloadError } from "../problem.ts";

const statuses: Readonly<Record<ErrorCode, status>> = {
  shape: status.INVALID_ARGUMENT,
  gradient: status.INTERNAL,
  config: status.INVALID_ARGUMENT,
  data: status.INVALID_ARGUMENT,
  image: status.INVALID_ARGUMENT,
  weight: status.FAILED_PRECONDITION,
  request: status.INVALID_ARGUMENT,
  unauthorized: status.UNAUTHENTICATED,
  forbidden: status.PERMISSION_DENIED,
  not_found: status.NOT_FOUND,
  unsupported: status.UNIMPLEMENTED,
  overloaded: status.RESOURCE_EXHAUSTED,
  deadline: status.DEADLINE_EXCEEDED,
  runtime: status.INTERNAL,
  interrupted: status.UNAVAILABLE,
  unavailable: status.UNAVAILABLE,
};

/** Metadata of a failed call: our code, and the seconds after which it makes sense to ask again. */
const codeKey = "tesserae-code";
const retryKey = "retry-after";

/** What a failed call is answered with; a defect is told without its message. */
export function statusOf(error: unknown): { code: status; details: string; metadata: Metadata } {
  const metadata = new Metadata();
  if (!(error instanceof TesseraeError)) {
    const details = "the server failed in a way it should not; its log says more";
    return { code: status.INTERNAL, details, metadata };
  }
  metadata.set(codeKey, error.code);
  if (error instanceof OverloadError) metadata.set(retryKey, String(error.retryAfterSeconds));
  return { code: statuses[error.code], details: error.message, metadata };
}

/** Codes for statuses of servers that are not ours. */
const codes: Readonly<Partial<Record<status, ErrorCode>>> = {
  [status.INVALID_ARGUMENT]: "request",
  [status.NOT_FOUND]: "not_found",
  [status.UNAUTHENTICATED]: "unauthorized",
  [status.PERMISSION_DENIED]: "forbidden",
  [status.UNIMPLEMENTED]: "unsupported",
  [status.RESOURCE_EXHAUSTED]: "overloaded",
  [status.UNAVAILABLE]: "unavailable",
  [status.CANCELLED]: "interrupted",
  [status.DEADLINE_EXCEEDED]: "deadline",
  [status.FAILED_PRECONDITION]: "weight",
};

/** The error that the server threw, as nearly as its status tells; the status is its `cause`. */
export function errorOfStatus(error: ServiceError, where: string): TesseraeError {
  const [ownCode] = error.metadata?.get(codeKey) ?? [];
  const own = String(ownCode) in errorCodes ? (String(ownCode) as ErrorCode) : undefined;
  const code = own ?? codes[error.code] ?? "runtime";
  if (code === "overloaded") {
    const [seconds] = error.metadata.get(retryKey);
    return new OverloadError(error.details, Number(seconds ?? 1));
  }
  const message = own ? error.details : `${where}: ${error.details || status[error.code]}`;
  return new TesseraeError(code, message, { cause: error });
}
