import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { type ErrorCode, errorCodes, TesseraeError } from "../../errors.ts";
import { OverloadError } from "../problem.ts";
import { errorOfStatus, statusOf } from "./grpc-errors.ts";

const failed = (answer: ReturnType<typeof statusOf>): ServiceError =>
  Object.assign(new Error(answer.details), { ...answer, name: "Error" });

describe("errors over gRPC", () => {
  test.each(Object.keys(errorCodes) as ErrorCode[])("%s keeps its code and message", (code) => {
    const answer = statusOf(new TesseraeError(code, "what was wrong"));
    expect(answer.code).not.toBe(status.OK);
    const error = errorOfStatus(failed(answer), "worker");
    expect([error.code, error.message]).toEqual([code, "what was wrong"]);
  });

  test("an overload keeps the seconds after which to ask again", () => {
    const error = errorOfStatus(failed(statusOf(new OverloadError("full", 7))), "worker");
    expect([error instanceof OverloadError, (error as OverloadError).retryAfterSeconds]).toEqual([true, 7]);
  });

  test("a defect is told without its message", () => {
    expect(statusOf(new TypeError("secret"))).toMatchObject({
      code: status.INTERNAL,
      details: expect.not.stringContaining("secret"),
    });
  });

  test.each([
    [status.NOT_FOUND, "not_found"],
    [status.INVALID_ARGUMENT, "request"],
    [status.RESOURCE_EXHAUSTED, "overloaded"],
    [status.UNAVAILABLE, "unavailable"],
    [status.DEADLINE_EXCEEDED, "deadline"],
    [status.UNKNOWN, "runtime"],
  ])("status %i of another server is read as %s", (code, expected) => {
    const error = errorOfStatus(failed({ code, details: "x", metadata: new Metadata() }), "triton:8001");
    expect(error.code).toBe(expected);
    expect(error.message).toContain("x");
  });
});
