/**
 * The request and response that a handler gets: node:http's, with Express' methods.
 *
 * node:http builds these classes itself, so no prototype is swapped per request. The methods that
 * nearly every handler uses are written here; the rest of Express is loaded when the first of its
 * names is touched, since loading it takes longer than Node's own start. Where a short form here
 * could differ from Express (an unusual type, status or conditional request), it calls Express.
 */

import { IncomingMessage, ServerResponse, STATUS_CODES } from './node-http.mjs';
import { parse as parseQuery } from 'node:querystring';
import { expressApp, installExpress } from './express-surface.mjs';

const JSON_TYPE = 'application/json; charset=utf-8';
const HTML_TYPE = 'text/html; charset=utf-8';
const BYTES_TYPE = 'application/octet-stream';

/** What Express makes of the types that handlers set most; anything else it is asked for. */
const EXPANDED_TYPES = new Map([
  ['html', HTML_TYPE],
  ['json', JSON_TYPE],
  ['txt', 'text/plain; charset=utf-8'],
  ['text/html', HTML_TYPE],
  ['text/plain', 'text/plain; charset=utf-8'],
  ['text/css', 'text/css; charset=utf-8'],
  ['text/csv', 'text/csv; charset=utf-8'],
  ['application/json', JSON_TYPE],
  [BYTES_TYPE, BYTES_TYPE],
]);
const EXACT_TYPES = new Set(EXPANDED_TYPES.values());

const DETACHED_METHODS = [
  'addTrailers', 'appendHeader', 'flushHeaders', 'removeHeader', 'setHeader', 'setHeaders',
  'writeContinue', 'writeEarlyHints', 'writeHead', 'writeProcessing',
];

export const kInvocation = Symbol('invocation');

export class FunctionRequest extends IncomingMessage {
  constructor(socket) {
    super(socket);
    /** @type {import('./invocation.mjs').Invocation | null} */
    this[kInvocation] = null;
    this.body = undefined;
  }

  get(name) {
    if (typeof name !== 'string' || name === '') {
      throw new TypeError('name must be a string to req.get');
    }
    const lowered = name.toLowerCase();
    if (lowered === 'referer' || lowered === 'referrer') {
      return this.headers.referrer || this.headers.referer;
    }
    return this.headers[lowered];
  }

  get path() {
    return splitTarget(this.url).path;
  }

  get query() {
    return parseQuery(splitTarget(this.url).query);
  }

  /** Aborted at the deadline or when the caller leaves. */
  get signal() {
    return this[kInvocation].signal;
  }

  get app() {
    return expressApp;
  }

  get originalUrl() {
    return this.url;
  }

  get baseUrl() {
    return '';
  }

  get params() {
    return { path: this.path.split('/').slice(1).map(decodeSegment) };
  }

  get res() {
    return this[kInvocation].response;
  }
}

FunctionRequest.prototype.header = FunctionRequest.prototype.get;

export class FunctionResponse extends ServerResponse {
  end(...values) {
    const ended = super.end(...values);
    const invocation = this.req[kInvocation];
    if (invocation !== null && invocation.awaitsEnd) invocation.onEnd(invocation);
    return ended;
  }

  /** The server takes the response over: what the handler still does to it has no effect. */
  detach() {
    const ignored = () => this;
    for (const name of DETACHED_METHODS) this[name] = ignored;
    this.write = () => true;
    this.end = () => {
      const invocation = this.req[kInvocation];
      if (invocation.awaitsEnd) invocation.onEnd(invocation);
      return this;
    };
  }

  get app() {
    return expressApp;
  }

  get locals() {
    const locals = Object.create(null);
    Object.defineProperty(this, 'locals', { value: locals, writable: true, enumerable: true });
    return locals;
  }

  status(code) {
    if (!Number.isInteger(code)) {
      throw new TypeError(
        `Invalid status code: ${JSON.stringify(code)}. Status code must be an integer.`,
      );
    }
    if (code < 100 || code > 999) {
      throw new RangeError(
        `Invalid status code: ${code}. Status code must be greater than 99 and less than 1000.`,
      );
    }
    this.statusCode = code;
    return this;
  }

  sendStatus(code) {
    this.status(code);
    return this.type('txt').send(STATUS_CODES[code] ?? String(code));
  }

  get(name) {
    return this.getHeader(name);
  }

  set(name, value) {
    if (arguments.length !== 2) {
      for (const key of Object.keys(name)) this.set(key, name[key]);
      return this;
    }
    if (name.toLowerCase() !== 'content-type') {
      this.setHeader(name, Array.isArray(value) ? value.map(String) : String(value));
      return this;
    }
    const known = EXPANDED_TYPES.get(value) ?? (EXACT_TYPES.has(value) ? value : undefined);
    if (known === undefined) return installExpress().response.set.call(this, name, value);
    this.setHeader(name, known);
    return this;
  }

  type(type) {
    const known = EXPANDED_TYPES.get(type);
    if (known === undefined) return installExpress().response.type.call(this, type);
    this.setHeader('Content-Type', known);
    return this;
  }

  json(value) {
    const body = JSON.stringify(value);
    if (!this.getHeader('Content-Type')) this.setHeader('Content-Type', JSON_TYPE);
    return this.send(body);
  }

  send(body) {
    if (typeof body === 'string') return this.#sendText(body);
    if (Buffer.isBuffer(body)) return this.#sendBytes(body);
    if (typeof body === 'object' && body !== null && !ArrayBuffer.isView(body)) {
      return this.json(body);
    }
    return installExpress().response.send.call(this, body);
  }

  #sendText(body) {
    const type = this.getHeader('Content-Type');
    if (type === undefined) this.setHeader('Content-Type', HTML_TYPE);
    else if (!EXACT_TYPES.has(type) || type === BYTES_TYPE) return this.#sendLikeExpress(body);
    if (mayDropBody(this)) return this.#sendLikeExpress(body);
    if (this.getHeader('Transfer-Encoding') === undefined) {
      this.setHeader('Content-Length', Buffer.byteLength(body));
    }
    this.end(body, 'utf8');
    return this;
  }

  #sendBytes(body) {
    if (mayDropBody(this)) return this.#sendLikeExpress(body);
    if (!this.getHeader('Content-Type')) this.setHeader('Content-Type', BYTES_TYPE);
    if (this.getHeader('Transfer-Encoding') === undefined) {
      this.setHeader('Content-Length', body.length);
    }
    this.end(body);
    return this;
  }

  #sendLikeExpress(body) {
    return installExpress().response.send.call(this, body);
  }
}

FunctionResponse.prototype.header = FunctionResponse.prototype.set;
FunctionResponse.prototype.contentType = FunctionResponse.prototype.type;

for (const name of ['params', 'originalUrl', 'baseUrl', 'res', 'app', 'signal']) {
  makeAssignable(FunctionRequest.prototype, name);
}
makeAssignable(FunctionResponse.prototype, 'app');
installExpress.prepare(FunctionRequest.prototype, FunctionResponse.prototype);

/** Statuses without a body, HEAD, and conditional requests: Express knows what to leave out. */
function mayDropBody(response) {
  const { statusCode, req } = response;
  if (statusCode === 204 || statusCode === 205 || statusCode === 304) return true;
  if (req.method === 'HEAD') return true;
  if (req.method !== 'GET') return false;
  const headers = req.headers;
  return headers['if-none-match'] !== undefined || headers['if-modified-since'] !== undefined;
}

function splitTarget(target) {
  const mark = target.indexOf('?');
  if (mark === -1) return { path: target, query: '' };
  return { path: target.slice(0, mark), query: target.slice(mark + 1) };
}

function decodeSegment(segment) {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** Express sets these as plain properties, so code may assign them: then the value wins. */
function makeAssignable(prototype, name) {
  const { get } = Object.getOwnPropertyDescriptor(prototype, name);
  Object.defineProperty(prototype, name, {
    configurable: true,
    enumerable: false,
    get,
    set(value) {
      Object.defineProperty(this, name, { value, writable: true, configurable: true });
    },
  });
}
