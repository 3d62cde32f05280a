/** What a route says of itself for the OpenAPI document, as `config.operation` of Fastify's options. */

import type { z } from "zod";

export interface Operation {
  readonly summary: string;
  /** The heading it stands under. */
  readonly tag: string;
  /** Schema of the query string. */
  readonly query?: z.ZodObject;
  /** Schema of a JSON body. */
  readonly body?: z.ZodType;
  /** Other media types of the body, each with what it holds. */
  readonly files?: Readonly<Record<string, string>>;
  /** Schema of the JSON answer. */
  readonly answer?: z.ZodType;
  /** Other media types of the answer, each with what it holds. */
  readonly streams?: Readonly<Record<string, string>>;
  /** Whether headers may state a deadline, priority and tenant. */
  readonly hasTerms?: boolean;
}

declare module "fastify" {
  interface FastifyContextConfig {
    readonly operation?: Operation;
  }
}
