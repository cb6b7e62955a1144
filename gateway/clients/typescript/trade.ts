// Trades against a running exchange with the generated types: LFG_URL, LFG_KEY (an account's key with
// credits) and LFG_TICKER (an open market). Ends with 1 at the first answer that is not as expected.

import assert from "node:assert/strict";
import { connect, type PlaceOrder } from "./client.js";

const { LFG_URL: url, LFG_KEY: key, LFG_TICKER: ticker } = process.env;
assert(url && key && ticker, "set LFG_URL, LFG_KEY and LFG_TICKER");
const api = connect(url, key);

const markets = await api.GET("/v1/markets", { params: { query: { limit: 10 } } });
assert(markets.data?.items.some((market) => market.ticker === ticker), "the market is listed");

const wanted: PlaceOrder = { ticker, contract: "YES", side: "BUY", type: "LIMIT", price: "0.1000", quantity: 3 };
const placed = await api.POST("/v1/orders", { body: wanted });
assert.equal(placed.response.status, 201);
assert(placed.data !== undefined && "order_id" in placed.data);
const { order_id: id } = placed.data;

// Without `min_position`: an account sees its own writes.
const read = await api.GET("/v1/orders/{id}", { params: { path: { id: id as string } } });
assert.equal(read.data?.status, "ACTIVE");
assert.equal(read.data?.remaining, 3);

const cancelled = await api.DELETE("/v1/orders/{id}", { params: { path: { id: id as string } } });
assert.equal(cancelled.response.status, 200);

const refused = await api.POST("/v1/orders", { body: { ...wanted, price: "1.5000" } });
assert.equal(refused.response.status, 400);
assert.equal(refused.error?.code, "invalid-request");
assert.equal(refused.error?.errors?.[0]?.code, "out-of-range");
console.log("traded");
