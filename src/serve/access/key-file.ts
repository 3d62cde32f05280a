/**
 * API keys in a file: only the SHA-256 of each is kept. A key has 256 random bits, so that a slow hash would add nothing:
 * what it protects against is guessing words.
 */

import { createHash, randomBytes } from "node:crypto";
import { chmod, mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { ConfigError } from "../../errors.ts";
import { defaultStoreRoot } from "../../store/store.ts";
import { writeFileAtomic } from "../../weights/atomic.ts";

/** What a key allows: predictions, what changes or stops the server, `/metrics`. */
export const scopes = ["predict", "admin", "metrics"] as const;
export type Scope = (typeof scopes)[number];

const keySchema = z.strictObject({
  /** Public part of the key. */
  id: z.string().regex(/^[0-9a-f]{8}$/),
  /** Who has it. */
  name: z.string().min(1).max(100),
  /** SHA-256 of the whole key, in hexadecimal. */
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  scopes: z.array(z.enum(scopes)).min(1),
  requestsPerSecond: z.number().positive().optional(),
  tokensPerMinute: z.number().positive().optional(),
  /** ISO 8601. */
  createdAt: z.string(),
  /** Since when the key is refused, ISO 8601. */
  revokedAt: z.string().optional(),
});
const fileSchema = z.strictObject({ keys: z.array(keySchema) });

export type ApiKey = Readonly<z.infer<typeof keySchema>>;
export type KeyLimits = Pick<ApiKey, "requestsPerSecond" | "tokensPerMinute">;

export const defaultKeyFile = (): string => join(defaultStoreRoot(), "keys.json");

export const hashOf = (key: string): Buffer => createHash("sha256").update(key).digest();

/** The keys of a file. @throws ConfigError when it is damaged; code not_found when it is not there. */
export async function readKeys(path: string): Promise<ApiKey[]> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code === "ENOENT" ? "not_found" : "config";
    const hint = 'cannot be read; "tesserae keys create" makes it';
    throw new ConfigError(`keys ${path}: ${hint}`, { cause, code });
  }
  const { data, error } = fileSchema.safeParse(parsed(text));
  if (data) return data.keys;
  throw new ConfigError(`keys ${path}: is not a file of API keys: ${z.prettifyError(error)}`);
}

/** Adds a key. `text` is the key itself, which is not kept anywhere. @throws ConfigError as `readKeys`. */
export async function createKey(
  path: string,
  name: string,
  allowed: readonly Scope[],
  limits: KeyLimits = {},
): Promise<{ key: ApiKey; text: string }> {
  const id = randomBytes(4).toString("hex");
  const text = `tess_${id}_${randomBytes(32).toString("base64url")}`;
  const hash = hashOf(text).toString("hex");
  const key = { id, name, hash, scopes: [...allowed], ...limits, createdAt: new Date().toISOString() };
  await writeKeys(path, [...(await keysOrNone(path)), key]);
  return { key, text };
}

/** Refuses a key from now on. @throws ConfigError, code not_found, for an id that is not there. */
export async function revokeKey(path: string, id: string): Promise<ApiKey> {
  const keys = await readKeys(path);
  const key = keys.find((each) => each.id === id);
  if (!key)
    throw new ConfigError(`keys ${path}: there is no key ${id}; "tesserae keys list" shows them`, {
      code: "not_found",
    });
  const revoked = { ...key, revokedAt: key.revokedAt ?? new Date().toISOString() };
  await writeKeys(
    path,
    keys.map((each) => (each === key ? revoked : each)),
  );
  return revoked;
}

/** As `readKeys`; a file that is not there has none. */
export async function keysOrNone(path: string): Promise<ApiKey[]> {
  try {
    return await readKeys(path);
  } catch (error) {
    if (error instanceof ConfigError && error.code === "not_found") return [];
    throw error;
  }
}

async function writeKeys(path: string, keys: readonly ApiKey[]): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFileAtomic(path, `${JSON.stringify({ keys }, null, 2)}\n`);
  await chmod(path, 0o600);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // the schema says what is expected
  }
}
