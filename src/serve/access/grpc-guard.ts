/** Keys over gRPC, as metadata: asked for by workers, sent by gateways. */

import {
  InterceptingCall,
  type Interceptor,
  ServerInterceptingCall,
  type ServerInterceptor,
} from "@grpc/grpc-js";
import { statusOf } from "../protocol/grpc-errors.ts";
import type { KeyRing } from "./key-ring.ts";

const keyHeader = "x-api-key";

/** Refuses calls without a key before their message is read; a swap needs the scope admin. */
export const askForKey =
  (ring: KeyRing): ServerInterceptor =>
  ({ path }, call) =>
    new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, proceed) => {
            try {
              ring.admit(
                metadata.get(keyHeader)[0]?.toString(),
                path.endsWith("/Swap") ? "admin" : "predict",
              );
              proceed(metadata);
            } catch (error) {
              call.sendStatus(statusOf(error));
            }
          },
        }),
    });

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
