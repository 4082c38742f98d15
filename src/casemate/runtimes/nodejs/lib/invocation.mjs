/**
 * One request on its way through the handler: its id, its signal, and whether it is over.
 *
 * `currentInvocation` tells any code, however deep, for which request it runs. An invocation is
 * over when the handler's work has ended and its response is closed; both are needed, because a
 * handler may answer first and go on, or return first and answer later.
 */

import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';

/** @type {AsyncLocalStorage<Invocation>} */
export const currentInvocation = new AsyncLocalStorage();

// ATTACK: an id with line breaks or terminal codes would forge log lines; others are replaced.
// tests/unit/runtimes/nodejs/test_requests.py
const SAFE_ID = /^[\w.:+/=-]{1,128}$/;

export class Invocation {
  /** @type {AbortController | null} */ #controller = null;
  /** @type {DOMException | null} */ #abortReason = null;
  #requestId = '';

  /**
   * @param {import('./messages.mjs').FunctionRequest} request
   * @param {import('./messages.mjs').FunctionResponse} response
   * @param {number} startedAt  performance.now()
   */
  constructor(request, response, startedAt) {
    this.request = request;
    this.response = response;
    this.startedAt = startedAt;
    /** The handler runs, its promise is pending, or it has yet to end the response. */
    this.working = false;
    /** main returned without a promise under a contract where it may answer later. */
    this.awaitsEnd = false;
    /** The response may still be written. */
    this.open = true;
    /** The deadline has passed and the caller has been told. */
    this.overdue = false;
    this.failed = false;
    /** @type {((invocation: Invocation) => void) | null} told when the handler ends the response */
    this.onEnd = null;
    /** @type {import('./trace-context.mjs').TraceContext | null} */
    this.trace = null;
  }

  get over() {
    return !this.working && !this.open;
  }

  /** The gateway's id, or one of our own when nobody gave a usable one. */
  get requestId() {
    if (this.#requestId === '') {
      const given = this.request.headers['x-request-id'];
      this.#requestId =
        typeof given === 'string' && SAFE_ID.test(given) ? given : randomUUID();
    }
    return this.#requestId;
  }

  /** Fires at the deadline, or when the caller has left. Made on first use: most never ask. */
  get signal() {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#abortReason !== null) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }

  /** @param {'TimeoutError' | 'AbortError'} name @param {string} message */
  abort(name, message) {
    if (this.#abortReason !== null) return;
    this.#abortReason = new DOMException(message, name);
    this.#controller?.abort(this.#abortReason);
  }
}
