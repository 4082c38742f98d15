/**
 * The two HTTP servers: requests, and metrics with health.
 *
 * Owns the limits of the protocol and the words to a peer that breaks it. Listens on the sockets
 * that the node bound before this process began, so connections made during the start are served;
 * on Kubernetes it binds the Pod's ports.
 */

import { createServer } from './node-http.mjs';
import { Server } from 'node:net';
import { METRICS_TYPE } from './metrics.mjs';
import { FunctionRequest, FunctionResponse } from './messages.mjs';
import { PROBLEM_TYPE, problemBody, sendProblem } from './problem.mjs';

const HEADER_BYTES = 32 * 1024;
const HEADERS_MS = 60_000;
// Longer than a proxy keeps an idle connection: closing is the other side's move, or a request
// that is just being sent would be lost.
const KEEP_ALIVE_MS = 75_000;
const BACKLOG = 512;

const STATUS_BY_CODE = {
  HPE_HEADER_OVERFLOW: 431,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

/**
 * @param {import('./settings.mjs').Settings} settings
 * @param {(request: FunctionRequest, response: FunctionResponse) => void} onRequest
 */
export function requestServer(settings, onRequest) {
  const server = createServer({
    IncomingMessage: FunctionRequest,
    ServerResponse: FunctionResponse,
    maxHeaderSize: HEADER_BYTES,
    headersTimeout: HEADERS_MS,
    requestTimeout: settings.timeoutMs + HEADERS_MS,
    // The gateway on the other end of the unix socket decides when a connection is no more needed.
    keepAliveTimeout: settings.requests.fd === undefined ? KEEP_ALIVE_MS : 0,
    insecureHTTPParser: false,
    optimizeEmptyRequests: true,
  });
  server.maxHeadersCount = 0; // the dispatcher counts and refuses; Node would drop
  server.on('request', onRequest);
  server.on('checkContinue', (request, response) => {
    const declared = Number(request.headers['content-length'] ?? 0);
    // Too large a body is refused before it is sent: then the 100 is left out.
    if (declared <= settings.bodyLimitBytes) response.writeContinue();
    onRequest(request, response);
  });
  server.on('clientError', answerClientError);
  return server;
}

/** @param {() => string} exposition */
export function metricsServer(exposition) {
  return createServer({ maxHeaderSize: HEADER_BYTES }, (request, response) => {
    if (request.url === '/healthz') {
      sendText(response, 'text/plain; charset=utf-8', 'OK');
    } else if (request.url === '/metrics') {
      sendText(response, METRICS_TYPE, exposition());
    } else {
      sendProblem(response, 404, 'only /metrics and /healthz are served here', '');
    }
  });
}

/** @param {import('node:http').Server} server @param {import('./settings.mjs').Address} address */
export function listen(server, address) {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ ...address, backlog: BACKLOG }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** How the lifecycle closes a server: first its door, at the end its idle connections. */
export function doorOf(server) {
  return {
    // http's own close() would also drop idle connections, on which a request may be on its way.
    closeDoor: () => Server.prototype.close.call(server),
    closeIdle: () => server.closeIdleConnections(),
  };
}

function sendText(response, type, text) {
  response.writeHead(200, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(text) });
  response.end(text);
}

/** Bytes that are no request: one answer, then the connection is closed. */
function answerClientError(error, socket) {
  const begun = socket._httpMessage?.headersSent;
  if (!socket.writable || begun || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const status = STATUS_BY_CODE[error.code] ?? 400;
  const body = problemBody(status, 'the request could not be parsed', '');
  socket.end(
    `HTTP/1.1 ${status} ${JSON.parse(body).title}\r\nConnection: close\r\n` +
      `Content-Type: ${PROBLEM_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
