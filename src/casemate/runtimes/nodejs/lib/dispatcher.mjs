/**
 * From a parsed request to a closed response: body, handler, answer, deadline, failure.
 *
 * Every way out goes through `#done` once the handler's work has ended and through the response's
 * close once it is sent; the invocation leaves the books when both have happened.
 */

import { BodyRefused, hasBody, parseBody, readBody } from './body.mjs';
import { Invocation, currentInvocation } from './invocation.mjs';
import { errorText } from './log.mjs';
import { kInvocation } from './messages.mjs';
import { sendProblem } from './problem.mjs';

// Node drops further headers in silence; a request whose headers were dropped must not be served.
const HEADERS_LIMIT = 128;

export class Dispatcher {
  #parts;
  #contract;
  #inFlight;
  #limitBytes;

  /**
   * @param {object} parts
   * @param {import('./event-contract.mjs').EventContract
   *   | import('./request-contract.mjs').RequestContract} parts.contract
   * @param {import('./settings.mjs').Settings} parts.settings
   * @param {import('./in-flight.mjs').InFlight} parts.inFlight
   * @param {import('./metrics.mjs').Metrics} parts.metrics
   * @param {import('./log.mjs').Log} parts.log
   * @param {import('./lifecycle.mjs').Lifecycle} parts.lifecycle
   * @param {import('./trace-export.mjs').TraceExport | null} parts.tracing  asked per request
   */
  constructor(parts) {
    this.#parts = parts;
    this.#contract = parts.contract;
    this.#inFlight = parts.inFlight;
    this.#limitBytes = parts.settings.bodyLimitBytes;
    parts.inFlight.on({
      overdue: (invocation) => this.#timeOut(invocation),
      stuck: () => parts.lifecycle.retire('DeadlineExceeded'),
    });
  }

  /**
   * @param {import('./messages.mjs').FunctionRequest} request
   * @param {import('./messages.mjs').FunctionResponse} response
   */
  onRequest = (request, response) => {
    const invocation = new Invocation(request, response, performance.now());
    request[kInvocation] = invocation;
    if (this.#parts.lifecycle.ending) response.shouldKeepAlive = false;
    if (answerReserved(request, response, invocation)) return;
    this.#inFlight.add(invocation);
    this.#parts.metrics.called();
    response.on('close', this.#onClose);
    if (hasBody(request.headers)) {
      void this.#readThenRun(invocation);
    } else {
      request.body = this.#contract.emptyBody();
      this.#run(invocation);
    }
  };

  /** 500 to the caller, the reason to the log. @param {unknown} error */
  fail = (invocation, error) => {
    const { requestId, response } = invocation;
    this.#countFailure(invocation, error);
    this.#parts.log.write('error', `handler failed: ${errorText(error)}`, requestId);
    invocation.awaitsEnd = false;
    if (!invocation.overdue) {
      const answered =
        typeof error === 'string'
          ? sendThrownText(response, error)
          : sendProblem(response, 500, 'the handler failed', requestId);
      // Half an answer must not look like a whole one.
      if (!answered && !response.writableEnded) response.destroy();
    }
    this.#done(invocation);
  };

  async #readThenRun(invocation) {
    const { request } = invocation;
    try {
      const bytes = await readBody(request, this.#limitBytes);
      request.body = parseBody(bytes, request.headers['content-type']);
    } catch (error) {
      this.#refuse(invocation, error);
      return;
    }
    this.#run(invocation);
  }

  #run(invocation) {
    if (invocation.overdue || !invocation.open) return;
    invocation.working = true;
    let outcome;
    try {
      outcome = currentInvocation.run(invocation, this.#call, invocation);
    } catch (error) {
      if (error instanceof BodyRefused) this.#refuse(invocation, error);
      else this.fail(invocation, error);
      return;
    }
    if (typeof outcome?.then === 'function') {
      outcome.then(
        (value) => this.#answer(invocation, value, true),
        (error) => this.fail(invocation, error),
      );
    } else {
      this.#answer(invocation, outcome, this.#contract.returnEndsWork);
    }
  }

  #call = (invocation) => {
    const { tracing } = this.#parts;
    if (tracing.active === null) return this.#contract.call(invocation);
    return tracing.active.run(invocation, this.#contract.call);
  };

  #answer(invocation, value, workEnded) {
    try {
      if (!invocation.overdue) this.#contract.reply(invocation, value);
    } catch (error) {
      this.fail(invocation, error);
      return;
    }
    if (workEnded || invocation.response.writableEnded) {
      this.#done(invocation);
    } else {
      invocation.awaitsEnd = true;
      invocation.onEnd = this.#done;
    }
  }

  #done = (invocation) => {
    if (!invocation.working) return;
    invocation.working = false;
    invocation.awaitsEnd = false;
    this.#parts.metrics.lasted(performance.now() - invocation.startedAt);
    this.#parts.tracing.active?.end(invocation);
    this.#inFlight.settle(invocation);
  };

  /** Shared by all responses, so that a request costs no closure here. */
  #onClose = this.#makeOnClose();

  #makeOnClose() {
    const inFlight = () => this.#inFlight;
    const requestLog = () => this.#parts.requestLog;
    return function onClose() {
      const invocation = this.req[kInvocation];
      invocation.open = false;
      if (!this.writableFinished) invocation.abort('AbortError', 'the caller has left');
      requestLog()?.(invocation);
      inFlight().settle(invocation);
    };
  }

  #timeOut(invocation) {
    const { requestId, response } = invocation;
    const { log, metrics, settings } = this.#parts;
    metrics.timedOut();
    this.#countFailure(invocation, 'deadline exceeded');
    log.write('error', `no answer within ${settings.timeoutSeconds} s`, requestId);
    const { awaitsEnd } = invocation;
    invocation.awaitsEnd = false; // the end() below is not the handler's
    const detail = `the function did not answer within ${settings.timeoutSeconds} s`;
    if (!sendProblem(response, 408, detail, requestId) && !response.writableEnded) {
      response.destroy();
    }
    response.detach();
    invocation.awaitsEnd = awaitsEnd;
    invocation.abort('TimeoutError', detail);
  }

  #refuse(invocation, error) {
    const status = error instanceof BodyRefused ? error.status : 400;
    const detail = error instanceof BodyRefused ? error.message : 'the body could not be read';
    sendProblem(invocation.response, status, detail, invocation.requestId);
    this.#done(invocation);
  }

  #countFailure(invocation, error) {
    if (invocation.failed) return;
    invocation.failed = true;
    this.#parts.metrics.failed();
    this.#parts.tracing.active?.fail(invocation, error);
  }
}

/** Kyma's contract: a thrown string is the handler's own word to its caller. */
function sendThrownText(response, text) {
  if (response.headersSent || response.destroyed) return false;
  response.writeHead(500, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
  });
  response.end(text);
  return true;
}

/** Paths that never reach a handler, and requests that no handler may see. */
function answerReserved(request, response, invocation) {
  const { url } = request;
  if (url === '/healthz') {
    response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': 2 });
    response.end('OK');
    return true;
  }
  if (url === '/favicon.ico') {
    response.writeHead(204);
    response.end();
    return true;
  }
  if (request.rawHeaders.length > 2 * HEADERS_LIMIT) {
    sendProblem(response, 431, 'the request has too many headers', invocation.requestId);
    return true;
  }
  return false;
}
