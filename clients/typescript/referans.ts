// A client of the Referans order API: one file, fetch and WebCrypto, no dependency.

/** Statuses after which a request that is safe to repeat is repeated. */
const AGAIN = [429, 502, 503, 504];
/** Times that such a request is sent, and the longest pause between two, in seconds. */
const TRIES = 4, MAX_PAUSE_SECONDS = 30;
/** Seconds that one request waits for an order; routers in between often cut silent requests at 30. */
const WAIT_SECONDS = 25;
/** Seconds that the clock of a notification's sender may differ from ours. */
const TOLERANCE_SECONDS = 300;
const FINAL = ["completed", "failed", "reversed"];

export type ExternalStatus = "not_sent" | "pending" | "sent" | "processing" | "completed" | "failed" | "reversed";

export interface Money { amount: string; currency: string | null }

export interface Code { code: string; pin?: string; serial?: string; expiresAt?: string }

/** An order; /docs explains every field. `pinCode` and `codes` are there only for a key with `pins:read`. */
export interface Order {
  id: string;
  orderNo: number | null;
  tenantId: string | null;
  reference: string | null;
  productId: string | null;
  packageId: string | null;
  quantity: number | null;
  userIdentifier: string | null;
  extraField: string | null;
  metadata: Record<string, string>;
  status: string;
  externalStatus: ExternalStatus;
  failureReason: string | null;
  attention: string | null;
  providerId: string | null;
  providerReferans: string | null;
  externalOrderId: string | null;
  pinCode?: string | null;
  codes?: Code[];
  receipt: string | null;
  cost: Money | null;
  lastMessage: string | null;
  createdAt: string;
  sentAt: string | null;
  lastSyncAt: string | null;
  completedAt: string | null;
  reversedAt: string | null;
  durationMs: number | null;
}

/** What an order may have beside its product and package. */
export interface OrderFields {
  userIdentifier?: string;
  extraField?: string;
  fields?: Record<string, string>;
  quantity?: number;
  reference?: string;
  metadata?: Record<string, string>;
  price?: { amount: string; currency: string };
  maxCost?: { amount: string; currency: string };
  allowRepeat?: boolean;
  notifyUrl?: string;
}

export interface Filters {
  externalStatus?: ExternalStatus;
  providerId?: string;
  userIdentifier?: string;
  reference?: string;
  createdAfter?: string;
  createdBefore?: string;
  limit?: number;
}

export interface Event {
  at: string;
  source: string;
  from: ExternalStatus | null;
  to: ExternalStatus | null;
  message: string | null;
  by: string | null;
}

/** What an order of a package needs. */
export interface Needs {
  fields: { name: string; required: boolean; description: string }[];
  quantity: number;
  cost: Money | null;
  available: boolean;
}

export interface Notification {
  type: "order.completed" | "order.failed" | "order.reversed" | "order.pin_updated" | "order.attention";
  timestamp: string;
  data: Order;
}

/** No answer came: it may be done, or not. Safe to repeat: reads, and `place` with the same `reference` or key. */
export class NotReached extends Error {}

/** A notification that was not sent by the gateway, or too long ago. */
export class BadSignature extends Error {}

/** An answer that is an error (RFC 9457). */
export class ApiError extends Error {
  status: number;
  /** The kind of error, such as `no-route`: the last part of the address that explains it. */
  type: string;
  title: string;
  detail: string;
  /** What is wrong with the input. */
  errors: { pointer: string; detail: string }[];
  /** Of a 409 to a new order: the order that was first. */
  orderId: string | null;
  requestId: string | null;

  constructor(status: number, problem: Record<string, any>, requestId: string | null) {
    const places = (problem.errors ?? []).map((one: any) => `; ${one.pointer}: ${one.detail}`).join("");
    const said = `${problem.detail ?? ""}${places}${problem.orderId ? `; orderId: ${problem.orderId}` : ""}`;
    super(`${status} ${problem.title ?? ""}: ${said} (request ${requestId})`);
    this.status = status;
    this.type = String(problem.type ?? "").split("/").pop() ?? "";
    this.title = problem.title ?? "";
    this.detail = problem.detail ?? "";
    this.errors = problem.errors ?? [];
    this.orderId = problem.orderId ?? null;
    this.requestId = requestId;
  }
}

/** A new order that was not placed: 409 or 422. */
export class OrderRefused extends ApiError {}

/** 404. */
export class NotFound extends ApiError {}
type Options = { body?: unknown; headers?: Record<string, string>; waitSeconds?: number; isSafe?: boolean };

/** Calls the API at `url` with a key. */
export class Client {
  #url: string;
  #key: string;
  #timeoutSeconds: number;

  constructor(url: string, key: string, timeoutSeconds = 10) {
    if (!/^https?:\/\//.test(url)) throw new TypeError("the URL of the gateway must begin with http:// or https://");
    this.#url = url.replace(/\/+$/, "");
    this.#key = key.trim();
    if (!/^[!-~]+$/.test(this.#key)) throw new TypeError("the API key must be visible ASCII characters");
    this.#timeoutSeconds = timeoutSeconds;
  }

  /** Place an order, once. Throws OrderRefused where it was not placed, NotReached where that is not known. */
  async place(productId: string, packageId: string, fields: OrderFields = {}, idempotencyKey?: string): Promise<Order> {
    const body = { productId, packageId, ...fields };
    // With a reference, the same order gets the same key after a restart too.
    const key = idempotencyKey ?? (fields.reference ? await digestOf(body) : crypto.randomUUID());
    return this.#json("POST", "/orders", { body, headers: { "Idempotency-Key": key } });
  }

  /** The order; with its codes if the key may read them. Throws NotFound. */
  async get(id: string): Promise<Order> {
    return this.#json("GET", pathOf(id));
  }

  /** The order with this number of the storefront's own, without its codes. */
  async find(reference: string): Promise<Order | null> {
    for await (const order of this.list({ reference })) return order;
    return null;
  }

  /** The order as soon as it has ended (or has another status than `from`), or as it is after so many seconds. */
  async wait(id: string, seconds = 60, from?: ExternalStatus): Promise<Order> {
    const deadline = Date.now() + 1000 * seconds;
    while (true) {
      const left = Math.max(0, Math.min(WAIT_SECONDS, (deadline - Date.now()) / 1000));
      const path = `${pathOf(id)}?wait=${left.toFixed(3)}${from ? `&from=${from}` : ""}`;
      const order: Order = await this.#json("GET", path, { waitSeconds: left });
      const hasChanged = from !== undefined && order.externalStatus !== from;
      if (hasChanged || FINAL.includes(order.externalStatus) || Date.now() >= deadline) return order;
    }
  }

  /** Every order that fits, newest first. */
  list(filters: Filters = {}): AsyncGenerator<Order> {
    return this.#pages("/orders", { ...filters });
  }

  /** What happened to an order, oldest first. */
  events(id: string): AsyncGenerator<Event> {
    return this.#pages(`${pathOf(id)}/events`, {});
  }

  /** Have its provider asked now; the order as it was before. */
  async check(id: string): Promise<Order> {
    return this.#json("POST", `${pathOf(id)}/check`, { isSafe: false });
  }

  /** Cancel it while it is `not_sent`. */
  async cancel(id: string): Promise<Order> {
    return this.#json("POST", `${pathOf(id)}/cancel`, { isSafe: false });
  }

  /** What an order of this package needs. Throws NotFound where nobody sells it. */
  needs(productId: string, packageId: string): Promise<Needs> {
    return this.#json("GET", `/routes/${encodeURIComponent(productId)}/${encodeURIComponent(packageId)}`);
  }

  async *#pages(path: string, filters: Record<string, unknown>): AsyncGenerator<any> {
    const params = new URLSearchParams();
    for (const [name, value] of Object.entries(filters)) if (value != null) params.set(name, String(value));
    while (true) {
      const page = await this.#json("GET", `${path}?${params}`);
      yield* page.data;
      if (page.nextCursor === null) return;
      params.set("cursor", page.nextCursor);
    }
  }

  async #json(method: string, path: string, options: Options = {}): Promise<any> {
    // A header that cannot be sent throws here, and not after four tries as if no answer had come.
    const headers = new Headers({ Authorization: `Bearer ${this.#key}`, ...options.headers });
    if (options.body !== undefined) headers.set("Content-Type", "application/json");
    for (let number = 1, tries = options.isSafe === false ? 1 : TRIES; ; number++) {
      const signal = AbortSignal.timeout(1000 * (this.#timeoutSeconds + (options.waitSeconds ?? 0)));
      const body = options.body === undefined ? undefined : JSON.stringify(options.body);
      let retryAfter: string | null = null;
      try {
        const answer = await fetch(this.#url + path, { method, headers, body, signal, redirect: "error" });
        const text = await answer.text();
        if (answer.ok) return JSON.parse(text);
        if (!AGAIN.includes(answer.status) || number === tries) throw errorOf(method, path, answer, text);
        retryAfter = answer.headers.get("Retry-After");
      } catch (error: any) {
        if (error instanceof ApiError) throw error;
        const why = error.cause?.message || error.cause?.code || error;
        if (number === tries) throw new NotReached(`${method} ${this.#url}${path} got no answer: ${why}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 1000 * pauseAfter(number, retryAfter)));
    }
  }
}

/**
 * The notification in a request, whose signature is right. `secret` is NOTIFY_SECRET, or any one of those in it;
 * `body` is taken as it came, since JSON that was parsed and written again has another signature. Throws BadSignature.
 */
export async function verify(
  body: string | Uint8Array, headers: Headers | Record<string, string | string[] | undefined>, secret: string,
): Promise<Notification> {
  const given = (name: string) => String((headers instanceof Headers ? headers.get(name) : headers[name]) ?? "");
  const text = typeof body === "string" ? body : new TextDecoder().decode(body);
  const missing = ["webhook-id", "webhook-timestamp", "webhook-signature"].find((name) => !given(name));
  if (missing) throw new BadSignature(`the header ${missing} is missing`);
  if (!(Math.abs(Date.now() / 1000 - Number(given("webhook-timestamp"))) <= TOLERANCE_SECONDS)) {
    throw new BadSignature("webhook-timestamp is not a time within the last five minutes");
  }
  const signed = new TextEncoder().encode(`${given("webhook-id")}.${given("webhook-timestamp")}.${text}`);
  const signatures = given("webhook-signature").split(" ").filter((one) => /^v1,[A-Za-z0-9+/]{43}=$/.test(one));
  for (const one of secret.split(",")) {
    const raw = bytesOf(one.trim().replace(/^whsec_/, ""));
    if (!raw.length) throw new BadSignature("the secret is empty: anybody could have signed this");
    const key = await crypto.subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
    for (const signature of signatures.map((each) => bytesOf(each.slice(3)))) {
      if (await crypto.subtle.verify("HMAC", key, signature, signed)) return JSON.parse(text);
    }
  }
  throw new BadSignature("the signature is not valid; is this the secret of this gateway?");
}

function bytesOf(base64: string) {
  try { return Uint8Array.from(atob(base64), (one) => one.charCodeAt(0)); } catch {} // not base64
  throw new BadSignature("the secret cannot be read: it takes whsec_ followed by base64");
}

function pathOf(id: string): string {
  if (!id) throw new TypeError("the id of the order is missing");
  return `/orders/${encodeURIComponent(id)}`;
}

async function digestOf(body: Record<string, unknown>): Promise<string> {
  const names = Object.entries(body).sort(([one], [other]) => (one < other ? -1 : 1));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify(names)));
  return Array.from(new Uint8Array(digest), (one) => one.toString(16).padStart(2, "0")).join("");
}

/** Seconds before the next try. */
function pauseAfter(number: number, retryAfter: string | null): number {
  if (retryAfter !== null && /^\d+$/.test(retryAfter)) return Math.min(MAX_PAUSE_SECONDS, Number(retryAfter));
  return Math.min(MAX_PAUSE_SECONDS, 0.25 * 2 ** number) * (0.5 + Math.random() / 2);
}

function errorOf(method: string, path: string, answer: Response, text: string): ApiError {
  let problem: Record<string, any> = {};
  try { problem = JSON.parse(text); } catch {} // not from the gateway
  const isRefusal = method === "POST" && path === "/orders" && [409, 422].includes(answer.status);
  const kind = isRefusal ? OrderRefused : answer.status === 404 ? NotFound : ApiError;
  return new kind(answer.status, problem, answer.headers.get("X-Request-ID"));
}
