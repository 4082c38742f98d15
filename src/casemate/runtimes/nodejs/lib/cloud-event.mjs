/**
 * CloudEvents over HTTP: binary, structured and batch, received and sent.
 *
 * Attributes of a received event are read here, so that most Functions never load a library; the
 * objects that handlers get from `getCloudEvent` and what goes to the publisher are made by the
 * `cloudevents` package and axios, as under Kyma, and are loaded on first use.
 */

import { createRequire } from 'node:module';
import { randomUUID } from 'node:crypto';
import { BodyRefused, contentType } from './body.mjs';

const require = createRequire(import.meta.url);

const STRUCTURED_TYPE = 'application/cloudevents+json';
const BATCH_TYPE = 'application/cloudevents-batch+json';

/** @returns {'structured' | 'batch' | 'binary' | null} null: not a CloudEvent */
export function modeOf(headers) {
  const { type } = contentType(headers['content-type']);
  if (type === STRUCTURED_TYPE) return 'structured';
  if (type === BATCH_TYPE) return 'batch';
  return headers['ce-type'] && headers['ce-source'] ? 'binary' : null;
}

/**
 * A received event as `ce-*` names and `data`; a batch as `data` only, a list of events.
 * @returns {Record<string, unknown> | null} null: not a CloudEvent
 */
export function eventAttributes(headers, body) {
  switch (modeOf(headers)) {
    case 'binary':
      return named(binaryAttributes(headers), body);
    case 'structured':
      return structuredAttributes(body);
    case 'batch':
      if (!Array.isArray(body)) throw new BodyRefused(400, 'the batch is not a list of events');
      return { data: body };
    default:
      return null;
  }
}

function binaryAttributes(headers) {
  const attributes = { datacontenttype: headers['content-type'] };
  for (const name of Object.keys(headers)) {
    if (name.startsWith('ce-')) attributes[name.slice(3)] = headers[name];
  }
  return attributes;
}

function structuredAttributes(event) {
  if (event === null || typeof event !== 'object' || !event.type || !event.source) {
    throw new BodyRefused(400, 'the CloudEvent lacks type or source');
  }
  const { data, data_base64: encoded, ...attributes } = event;
  return named(attributes, encoded === undefined ? data : Buffer.from(encoded, 'base64'));
}

/** Id, time and version are filled in when the sender left them out, as the library does. */
function named(attributes, data) {
  const event = {
    'ce-type': attributes.type,
    'ce-source': attributes.source,
    'ce-eventtypeversion': attributes.eventtypeversion,
    'ce-specversion': attributes.specversion ?? '1.0',
    'ce-id': attributes.id ?? randomUUID(),
    'ce-time': isoTime(attributes.time),
    'ce-datacontenttype': attributes.datacontenttype,
  };
  for (const [name, value] of Object.entries(attributes)) event[`ce-${name}`] ??= value;
  event.data = data;
  return event;
}

function isoTime(text) {
  const time = new Date(text ?? Date.now());
  return Number.isNaN(time.getTime()) ? text : time.toISOString();
}

/**
 * The request's event as an object of the `cloudevents` package, a batch as a list of them.
 * @returns {object | object[] | null} null when the request carries no readable event
 */
export function cloudEventOf(request) {
  if (modeOf(request.headers) === null) return null;
  try {
    const { HTTP } = require('cloudevents');
    return HTTP.toEvent({ headers: request.headers, body: request.body });
  } catch {
    return null;
  }
}

export class Publisher {
  #address;

  /** @param {string} address  URL of the eventing publisher; empty when there is none */
  constructor(address) {
    this.#address = address;
  }

  /** Send one event in structured mode; resolves to the publisher's answer as axios gives it. */
  async emit(type, source, data, attributes = {}) {
    const { CloudEvent, HTTP } = require('cloudevents');
    const datacontenttype = typeof data === 'object' ? 'application/json' : 'text/plain';
    const event = new CloudEvent({ datacontenttype, ...attributes, type, source, data });
    const message = HTTP.structured(event);
    return this.#post(message.body, message.headers);
  }

  /** Kyma's deprecated form: an event that is already a plain object. */
  async publish(event) {
    return this.#post(JSON.stringify(event), { 'content-type': STRUCTURED_TYPE });
  }

  #post(body, headers) {
    if (this.#address === '') throw new Error('PUBLISHER_PROXY_ADDRESS is not set');
    return require('axios').post(this.#address, body, { headers });
  }
}

/** Kyma's deprecated form: an event built from the one being answered, as a plain object. */
export function responseEvent(headers, id, type, data) {
  return {
    type,
    source: headers['ce-source'],
    eventtypeversion: headers['ce-eventtypeversion'],
    specversion: headers['ce-specversion'],
    id,
    data,
    datacontenttype: typeof data === 'object' ? 'application/json' : 'text/plain',
  };
}

/** @returns {boolean} an object of the `cloudevents` package, from whatever copy of it */
export function isCloudEventObject(value) {
  return (
    typeof value?.toJSON === 'function' &&
    typeof value.specversion === 'string' &&
    typeof value.type === 'string' &&
    typeof value.source === 'string'
  );
}

/**
 * Answer with one event (binary or structured) or a list of them (batch).
 * @param {import('node:http').ServerResponse} response
 * @param {object | object[]} event
 * @param {'binary' | 'structured'} mode
 */
export function sendCloudEvent(response, event, mode = 'structured') {
  if (Array.isArray(event)) return end(response, { 'content-type': BATCH_TYPE }, event);
  if (mode === 'structured') return end(response, { 'content-type': STRUCTURED_TYPE }, event);
  const { CloudEvent, HTTP } = require('cloudevents');
  const message = HTTP.binary(isCloudEventObject(event) ? event : new CloudEvent(event));
  return end(response, message.headers, message.body);
}

function end(response, headers, body) {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  const asIs = typeof body === 'string' || Buffer.isBuffer(body) || body === undefined;
  response.end(asIs ? body : JSON.stringify(body));
}
