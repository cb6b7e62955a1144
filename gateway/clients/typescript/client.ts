// A client of the gateway. Its types come from the OpenAPI document: `npm run generate`.

import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./schema.d.ts";

export type Problem = components["schemas"]["Problem"];
export type Order = components["schemas"]["Order"];
export type PlaceOrder = components["schemas"]["PlaceOrder"];

/** Opens a client; `key` is an account's or an admin's. */
export function connect(url: string, key?: string): Client<paths> {
  const headers: Record<string, string> = key === undefined ? {} : { Authorization: `Bearer ${key}` };
  return createClient<paths>({ baseUrl: url, headers });
}
