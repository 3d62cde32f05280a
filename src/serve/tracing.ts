/**
 * Spans of OpenTelemetry: what a request waited for, here and in workers. Nothing is recorded until `startTracing` is
 * called; until then a span costs a function call.
 */

import {
  type Attributes,
  type Context,
  context,
  propagation,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import type { FastifyInstance } from "fastify";
import { packageVersion } from "../runtime/package-root.ts";
import type { BatchRecord } from "./observed-session.ts";

const tracer = trace.getTracer("tesserae", packageVersion);

export interface TracingOptions {
  /** Where spans go: OTLP over HTTP, such as http://localhost:4318/v1/traces. */
  readonly endpoint: string;
  /** `service.name` of the spans: tesserae-gateway. */
  readonly service: string;
}

/** Records and sends spans from now on; the function returned sends the rest and stops. Call it once in a process. */
export async function startTracing({ endpoint, service }: TracingOptions): Promise<() => Promise<void>> {
  const { BatchSpanProcessor, NodeTracerProvider } = await import("@opentelemetry/sdk-trace-node");
  const { OTLPTraceExporter } = await import("@opentelemetry/exporter-trace-otlp-http");
  const { resourceFromAttributes } = await import("@opentelemetry/resources");
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ "service.name": service, "service.version": packageVersion }),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url: endpoint }))],
  });
  provider.register(); // with W3C's traceparent
  return async () => {
    await provider.shutdown();
    trace.disable();
    context.disable();
    propagation.disable();
  };
}

/** Does some work in a span of its own, which is what spans begun meanwhile are part of. */
export function inSpan<T>(
  name: string,
  attributes: Attributes,
  work: (span: Span) => Promise<T>,
  kind = SpanKind.INTERNAL,
): Promise<T> {
  return tracer.startActiveSpan(name, { attributes, kind }, async (span) => {
    try {
      return await work(span);
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: (error as Error).message });
      throw error;
    } finally {
      span.end();
    }
  });
}

/** Headers or metadata that tell another process which span it works for. */
export function traceHeaders(): Record<string, string> {
  const headers: Record<string, string> = {};
  propagation.inject(context.active(), headers);
  return headers;
}

/** Does some work for the span that a caller's `traceparent` names. */
export function forCaller<T>(header: (name: string) => unknown, work: () => T): T {
  const carrier = { traceparent: header("traceparent"), tracestate: header("tracestate") };
  return context.with(propagation.extract(context.active(), carrier), work);
}

/** Spans of a batch that a request was part of, after the fact: its wait, and its computation, which ended at `endMs`. */
export function traceBatch(
  { rows, tokens, computeMs }: BatchRecord,
  { startMs, endMs }: { startMs: number; endMs: number },
): void {
  const beginMs = Math.max(startMs, endMs - computeMs);
  tracer.startSpan("queue", { startTime: startMs }).end(beginMs);
  tracer
    .startSpan("batch", { startTime: beginMs, attributes: { "batch.rows": rows, "batch.tokens": tokens } })
    .end(endMs);
}

const contexts = new WeakMap<object, Context>();

/** A span for each HTTP request, part of the caller's where it sends `traceparent`. Call it before routes are added. */
export function addTracing(server: FastifyInstance): void {
  server.addHook("onRequest", (request, reply, done) => {
    const { method, headers, id } = request;
    const route = request.routeOptions.url ?? "unknown";
    const attributes = { "http.request.method": method, "http.route": route, "request.id": id };
    const caller = propagation.extract(context.active(), headers);
    const span = tracer.startSpan(`${method} ${route}`, { kind: SpanKind.SERVER, attributes }, caller);
    const current = trace.setSpan(caller, span);
    contexts.set(request, current);
    reply.raw.once("close", () => {
      span.setAttribute("http.response.status_code", reply.statusCode);
      if (reply.statusCode >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end();
    });
    context.with(current, done);
  });
  // A body is read by events of its connection, which know nothing of the request's span.
  server.addHook("preHandler", (request, _, done) => {
    context.with(contexts.get(request) ?? context.active(), done);
  });
}
