/**
 * W3C and B3 trace headers, in and out, without OpenTelemetry.
 *
 * A request continues the caller's trace, or starts one when the handler first calls out or asks
 * for a span. Outgoing http and fetch requests made for an invocation carry both header families,
 * as they do under Kyma's instrumentation; headers that the handler set itself are left alone.
 */

import { randomBytes } from 'node:crypto';
import diagnostics from 'node:diagnostics_channel';
import { currentInvocation } from './invocation.mjs';

const TRACEPARENT = /^(?!ff)[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(?:-.*)?$/;
const B3_SINGLE = /^([\da-f]{32}|[\da-f]{16})-([\da-f]{16})(?:-([01d]))?(?:-[\da-f]{16})?$/;
const TRACE_ID = /^(?:[\da-f]{32}|[\da-f]{16})$/;
const SPAN_ID = /^[\da-f]{16}$/;
const ZEROS = /^0+$/;
const SAMPLED = 1;

/**
 * @typedef {object} TraceContext
 * @property {string} traceId       32 hex digits
 * @property {string} parentSpanId  the caller's span; empty when the trace starts here
 * @property {string} spanId        this request's own span
 * @property {number} traceFlags    1: sampled
 * @property {string} traceState    W3C tracestate, passed on as received
 */

/**
 * The trace of this request.
 * @param {Record<string, string | undefined>} headers
 * @returns {TraceContext}
 */
export function traceOf(headers) {
  const parent = fromTraceparent(headers) ?? fromB3(headers);
  return {
    traceId: parent?.traceId ?? randomBytes(16).toString('hex'),
    parentSpanId: parent?.spanId ?? '',
    spanId: randomBytes(8).toString('hex'),
    traceFlags: parent?.traceFlags ?? SAMPLED,
    traceState: parent?.traceState ?? '',
  };
}

/** @param {import('./invocation.mjs').Invocation} invocation @returns {TraceContext} */
export function traceFor(invocation) {
  invocation.trace ??= traceOf(invocation.request.headers);
  return invocation.trace;
}

/** @param {TraceContext} trace @returns {[string, string][]} */
export function outgoingHeaders(trace) {
  const flags = trace.traceFlags.toString(16).padStart(2, '0');
  const headers = [
    ['traceparent', `00-${trace.traceId}-${trace.spanId}-${flags}`],
    ['x-b3-traceid', trace.traceId],
    ['x-b3-spanid', trace.spanId],
    ['x-b3-sampled', String(trace.traceFlags & SAMPLED)],
  ];
  if (trace.traceState !== '') headers.push(['tracestate', trace.traceState]);
  return headers;
}

/** The trace headers for what the running invocation sends; null outside of one. */
export function currentHeaders() {
  const invocation = currentInvocation.getStore();
  return invocation === undefined ? null : outgoingHeaders(traceFor(invocation));
}

/** From now on, http and https requests carry what `headersNow` gives; null adds nothing. */
export function propagateToHttp(headersNow) {
  diagnostics.subscribe('http.client.request.created', ({ request }) => {
    if (request.headersSent || request.hasHeader('traceparent')) return;
    for (const [name, value] of headersNow() ?? []) request.setHeader(name, value);
  });
}

/** The same for fetch. */
export function propagateToFetch(headersNow) {
  diagnostics.subscribe('undici:request:create', ({ request }) => {
    if (hasTraceparent(request.headers)) return;
    for (const [name, value] of headersNow() ?? []) request.addHeader(name, value);
  });
}

/** undici shows headers as a flat array of names and values, or as one string in old versions. */
function hasTraceparent(headers) {
  if (typeof headers === 'string') return /^traceparent:/im.test(headers);
  return headers.some((item, at) => at % 2 === 0 && String(item).toLowerCase() === 'traceparent');
}

function fromTraceparent(headers) {
  const match = TRACEPARENT.exec(headers.traceparent ?? '');
  if (match === null || ZEROS.test(match[1]) || ZEROS.test(match[2])) return null;
  return {
    traceId: match[1],
    spanId: match[2],
    traceFlags: Number.parseInt(match[3], 16) & SAMPLED,
    traceState: headers.tracestate ?? '',
  };
}

function fromB3(headers) {
  const single = B3_SINGLE.exec((headers.b3 ?? '').toLowerCase());
  const traceId = single?.[1] ?? (headers['x-b3-traceid'] ?? '').toLowerCase();
  const spanId = single?.[2] ?? (headers['x-b3-spanid'] ?? '').toLowerCase();
  if (!TRACE_ID.test(traceId) || !SPAN_ID.test(spanId)) return null;
  if (ZEROS.test(traceId) || ZEROS.test(spanId)) return null;
  const sampled = single?.[3] ?? headers['x-b3-sampled'] ?? '1';
  return {
    traceId: traceId.padStart(32, '0'),
    spanId,
    traceFlags: sampled === '0' || sampled === 'false' ? 0 : SAMPLED,
    traceState: '',
  };
}
