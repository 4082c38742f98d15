/**
 * Refusals and failures as problem+json (RFC 9457): status, a sentence, the request id.
 *
 * Says nothing about the inside: no stack, no path, no text of an error that the handler threw.
 */

import { STATUS_CODES } from './node-http.mjs';

const LINGER_MS = 500;

export const PROBLEM_TYPE = 'application/problem+json';

/**
 * @param {number} status
 * @param {string} detail
 * @param {string} requestId
 */
export function problemBody(status, detail, requestId) {
  return JSON.stringify({
    type: 'about:blank',
    title: STATUS_CODES[status] ?? 'Error',
    status,
    detail,
    request_id: requestId,
  });
}

/**
 * Answer with a problem unless an answer has begun; what the handler set so far is dropped.
 * @param {import('node:http').ServerResponse} response
 * @returns {boolean} whether the caller gets this answer
 */
export function sendProblem(response, status, detail, requestId) {
  if (response.headersSent || response.destroyed) return false;
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  const body = problemBody(status, detail, requestId);
  response.writeHead(status, {
    'Content-Type': PROBLEM_TYPE,
    'Content-Length': Buffer.byteLength(body),
    'X-Request-Id': requestId,
  });
  if (response.req.complete) response.end(body);
  else endAfterRequest(response, body);
  return true;
}

/**
 * The caller still sends: take that in for a moment, or the reset of the connection that follows
 * could overtake the answer.
 */
function endAfterRequest(response, body) {
  response.shouldKeepAlive = false;
  response.write(body);
  const end = () => {
    clearTimeout(timer);
    response.end();
  };
  const timer = setTimeout(end, LINGER_MS);
  response.req.once('end', end).resume();
}
