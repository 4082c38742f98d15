/**
 * Kyma's contract of nodejs22 and nodejs24: main(event, context), the return value is the answer.
 *
 * A falsy value ends the response with no body, a string is sent as it is, an object as JSON; a
 * promise is awaited. Beyond Kyma: bytes are sent as bytes, streams and async iterables are
 * streamed, CloudEvents keep their content type, and a response that the handler has begun to
 * stream itself is left to it.
 */

import { Readable, pipeline } from 'node:stream';
import { contentType } from './body.mjs';
import {
  cloudEventOf, eventAttributes, isCloudEventObject, responseEvent, sendCloudEvent,
} from './cloud-event.mjs';
import { kInvocation } from './messages.mjs';

/** `event`: CloudEvent attributes, data, and closures that also work when taken out of it. */
class FunctionEvent {
  /** @param {import('./invocation.mjs').Invocation} invocation */
  constructor({ request, response }, tracer, publisher) {
    const attributes = eventAttributes(request.headers, request.body);
    if (attributes === null) this.data = isMultipart(request) ? undefined : request.body;
    else Object.assign(this, attributes);
    this.tracer = tracer;
    this.extensions = { request, response };
    this.setResponseHeader = (key, value) => response.set(key, value);
    this.setResponseContentType = (type) => response.type(type);
    this.setResponseStatus = (status) => response.status(status);
    this.emitCloudEvent = (type, source, data, more) => publisher.emit(type, source, data, more);
    this.publishCloudEvent = (event) => publisher.publish(event);
    this.buildResponseCloudEvent = (id, type, data) =>
      responseEvent(request.headers, id, type, data);
  }

  /** The event as an object of the `cloudevents` package; undefined for any other request. */
  get ce() {
    return cloudEventOf(this.extensions.request) ?? undefined;
  }

  /** Aborted at the deadline or when the caller leaves. */
  get signal() {
    return this.extensions.request[kInvocation].signal;
  }
}

export class EventContract {
  /** What main returned is the answer, so a plain return ends the work. */
  returnEndsWork = true;
  #main;
  #context;
  #parts;

  /**
   * @param {Function} main
   * @param {import('./settings.mjs').Settings} settings
   * @param {{tracer: () => object, publisher: import('./cloud-event.mjs').Publisher}} parts
   */
  constructor(main, settings, parts) {
    this.#main = main;
    this.#parts = parts;
    this.#context = {
      'function-name': settings.functionName,
      namespace: settings.namespace,
      runtime: settings.runtime,
      timeout: settings.timeoutSeconds,
      'body-size-limit': settings.bodyLimitMegabytes,
      'memory-limit': settings.memoryLimit,
    };
  }

  /** What a request without a body finds as its body. */
  emptyBody() {
    return undefined;
  }

  call = (invocation) => {
    const { tracer, publisher } = this.#parts;
    const event = new FunctionEvent(invocation, tracer(), publisher);
    return this.#main(event, { ...this.#context }, (body, status, headers) =>
      answer(invocation.response, body, status, headers),
    );
  };

  /** @param {unknown} value  what main returned, or what its promise gave */
  reply(invocation, value) {
    const { response } = invocation;
    if (response.writableEnded) return;
    if (!value && isStreaming(response)) return;
    answer(response, value);
  }
}

function answer(response, body, status, headers) {
  if (response.writableEnded) return;
  if (headers) response.set(headers);
  if (status) response.status(status);
  if (body) sendValue(response, body);
  else if (status) response.sendStatus(status);
  else response.end();
}

function sendValue(response, value) {
  switch (typeof value) {
    case 'string':
      response.end(value);
      return;
    case 'number':
    case 'boolean':
    case 'bigint':
      response.end(String(value));
      return;
    case 'object':
      sendObject(response, value);
      return;
    default:
      throw new TypeError(`main returned a ${typeof value}, which cannot be sent`);
  }
}

function sendObject(response, value) {
  if (ArrayBuffer.isView(value)) {
    setType(response, 'application/octet-stream');
    response.end(value);
  } else if (typeof value.pipe === 'function' || Symbol.asyncIterator in value) {
    // A source that fails half-way closes the connection: the caller must not take it for whole.
    pipeline(typeof value.pipe === 'function' ? value : Readable.from(value), response, () => {});
  } else if (isCloudEventObject(value) || (Array.isArray(value) && isBatch(value))) {
    sendCloudEvent(response, value);
  } else {
    const body = JSON.stringify(value);
    setType(response, 'application/json; charset=utf-8');
    response.end(body);
  }
}

function setType(response, type) {
  if (!response.headersSent && !response.hasHeader('Content-Type')) {
    response.setHeader('Content-Type', type);
  }
}

const isBatch = (values) => values.length > 0 && values.every(isCloudEventObject);

/** The handler has written or piped to the response: then it also ends it. */
function isStreaming(response) {
  return response.headersSent || response.listenerCount('unpipe') > 0;
}

function isMultipart(request) {
  const header = request.headers['content-type'];
  return header !== undefined && contentType(header).type.startsWith('multipart/');
}
