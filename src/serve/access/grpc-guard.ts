/** Keys over gRPC, as metadata: asked for by workers, sent by gateways. */

import {
  InterceptingCall,
  type Interceptor,
  type Metadata,
  ServerInterceptingCall,
  type ServerInterceptor,
} from "@grpc/grpc-js";
import { statusOf } from "../protocol/grpc-errors.ts";
import type { ApiKey, Scope } from "./key-file.ts";
import type { KeyRing } from "./key-ring.ts";

const keyHeader = "x-api-key";

/** Probes have no key; the health service asks for one itself where a model is named. */
const isProbe = (path: string): boolean => path.startsWith("/grpc.health.v1.Health/");

/** Refuses calls without a key before their message is read; a swap needs the scope admin. */
export const askForKey =
  (ring: KeyRing): ServerInterceptor =>
  ({ path }, call) =>
    new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, proceed) => {
            try {
              if (!isProbe(path)) admitCall(ring, metadata, path.endsWith("/Swap") ? "admin" : "predict");
              proceed(metadata);
            } catch (error) {
              call.sendStatus(statusOf(error));
            }
          },
        }),
    });

/** The key in a call's metadata. @throws as `KeyRing.admit`. */
export const admitCall = (ring: KeyRing, metadata: Metadata, scope: Scope): ApiKey =>
  ring.admit(metadata.get(keyHeader)[0]?.toString(), scope);

/** Sends a key with every call. */
export const sendKey =
  (key: string): Interceptor =>
  (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (metadata, listener, next) => {
        metadata.set(keyHeader, key);
        next(metadata, listener);
      },
    });
