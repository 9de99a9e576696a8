// Against a running gateway, in front of which FLAKY loses answers; the Python suite starts both (tests/clients).
import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError, BadSignature, Client, NotFound, NotReached, OrderRefused, verify } from "./referans.ts";

const { GATEWAY = "", FLAKY = "", KEY = "", NOTIFICATION = "{}" } = process.env;
const client = new Client(GATEWAY, KEY);
const player = () => ({ userIdentifier: `ts-${crypto.randomUUID()}` });

async function all<T>(many: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const one of many) found.push(one);
  return found;
}

test("an order is placed, waited for, and brings its code", async () => {
  const fields = { ...player(), reference: crypto.randomUUID(), metadata: { cart: "1817" } };
  const placed = await client.place("game", "60", fields);
  assert.equal(placed.externalStatus, "not_sent");
  assert.deepEqual(placed.metadata, { cart: "1817" });
  const ended = await client.wait(placed.id, 20);
  assert.equal(ended.externalStatus, "completed");
  assert.ok(ended.pinCode);
  assert.equal(ended.codes?.[0].code, ended.pinCode);
  assert.deepEqual(await client.get(placed.id), ended);
  assert.equal((await client.find(fields.reference))?.id, placed.id);
  assert.equal(await client.find("no-such-reference"), null);
  const events = await all(client.events(placed.id));
  assert.equal(events[0].to, "not_sent");
});

test("waiting ends when its time is up", async () => {
  const placed = await client.place("waits", "60", player());
  const began = Date.now();
  assert.equal((await client.wait(placed.id, 0.3)).id, placed.id);
  assert.ok(Date.now() - began < 5000);
});

test("the same order with the same reference is placed once, another is refused", async () => {
  const fields = { ...player(), reference: crypto.randomUUID() };
  const first = await client.place("game", "60", fields);
  assert.equal((await client.place("game", "60", fields)).id, first.id);
  await assert.rejects(client.place("game", "60", { ...fields, quantity: 2 }), (error: OrderRefused) => {
    assert.ok(error instanceof OrderRefused);
    assert.equal(error.orderId, first.id);
    return true;
  });
});

test("lists come whole, page by page", async () => {
  const fields = player();
  const placed: string[] = [];
  for (let number = 0; number < 3; number++) placed.unshift((await client.place("game", "60", fields)).id);
  const found = await all(client.list({ ...fields, limit: 1 }));
  assert.deepEqual(found.map((one) => one.id), placed);
});

test("an error has the fields of its problem", async () => {
  await assert.rejects(client.place("game", "60", { ...player(), quantity: 0 }), (error: OrderRefused) => {
    assert.ok(error instanceof OrderRefused);
    assert.equal(error.status, 422);
    assert.equal(error.type, "invalid-order");
    assert.equal(error.errors[0].pointer, "/quantity");
    assert.ok(error.requestId && error.message.includes("/quantity"));
    return true;
  });
  await assert.rejects(client.get("00000000-0000-4000-8000-000000000000"), NotFound);
  await assert.rejects(new Client(GATEWAY, "wrong").get("x"), (error: ApiError) => error.status === 401);
});

test("checked, cancelled, and what an order needs", async () => {
  const placed = await client.place("game", "60", player());
  await client.wait(placed.id, 20);
  assert.equal((await client.check(placed.id)).id, placed.id);
  await assert.rejects(client.cancel(placed.id), (error: ApiError) => error.status === 409);
  assert.equal((await client.needs("game", "60")).available, true);
});

test("an order whose answers get lost is placed once", async () => {
  for (const fault of ["lost", "busy"]) {
    const fields = player();
    const placed = await new Client(`${FLAKY}/${fault}`, KEY).place("game", "60", fields);
    const found = await all(client.list(fields));
    assert.deepEqual(found.map((one) => one.id), [placed.id]);
  }
});

test("what is not safe to repeat is not repeated, and silence is an error of its own", async () => {
  const placed = await client.place("game", "60", player());
  await client.wait(placed.id, 20);
  await assert.rejects(new Client(`${FLAKY}/lost`, KEY).check(placed.id), NotReached);
  await assert.rejects(new Client(`${FLAKY}/dead`, KEY).get(placed.id), NotReached);
});

test("a mistake of the caller is told at once, and not as silence", async () => {
  for (const url of ["127.0.0.1:8000", "localhost:8000", ""]) assert.throws(() => new Client(url, KEY), TypeError);
  for (const key of ["", " ", "k\u00e9y", "\u043a\u043b\u044e\u0447", "a\nb", "a\0"]) {
    assert.throws(() => new Client(GATEWAY, key), /^TypeError: the API key must be visible ASCII characters$/);
  }
  await assert.rejects(client.get(""), TypeError);
  await assert.rejects(client.place("game", "60", player(), "\u011f"), TypeError);
  const placed = await client.place("game", "60", { ...player(), reference: crypto.randomUUID() });
  const again = { ...player(), reference: placed.reference ?? "" };
  await assert.rejects(client.place("game", "60", again), (error: OrderRefused) => error.message.includes(placed.id));
  const away = new Client("http://127.0.0.1:1", KEY);
  await assert.rejects(away.check(placed.id), (error: NotReached) => /127\.0\.0\.1:1\/orders/.test(error.message));
});

test("a notification is verified", async () => {
  const { body, headers, secret } = JSON.parse(NOTIFICATION);
  assert.equal((await verify(body, headers, secret)).type, "order.completed");
  assert.equal((await verify(new TextEncoder().encode(body), new Headers(headers), secret)).type, "order.completed");
  const other = "whsec_" + btoa("x".repeat(32));
  const old = { ...headers, "webhook-timestamp": String(headers["webhook-timestamp"] - 600) };
  const bad: [string, Record<string, string>, string][] = [
    [body + " ", headers, secret],
    [body, headers, other],
    [body, old, secret],
    [body, { ...headers, "webhook-id": "another" }, secret],
    [body, { ...headers, "webhook-signature": "v1,AAAA v1, v1a,x" }, secret],
    [body, {}, secret],
    [body, headers, ""],
    [body, headers, "whsec_"],
    [body, headers, "whsec_\u2026"],
    [body, headers, `${other},a`],
  ];
  for (const one of bad) await assert.rejects(verify(...one), BadSignature);
  await assert.rejects(verify(body, {}, secret), /the header webhook-id is missing/);
  await assert.rejects(verify(body, { ...headers, "webhook-signature": "" }, secret), /webhook-signature is missing/);
  const several = { ...headers, "webhook-signature": `v1,${"A".repeat(43)}= ${headers["webhook-signature"]}` };
  assert.ok(await verify(body, several, secret));
  for (const one of [`${other},${secret}`, ` ${secret} , ${other}\n`]) assert.ok(await verify(body, headers, one));
  await assert.rejects(verify(body, headers, "whsec_a"), /the secret cannot be read/);
});
