/**
 * node:http without its namespace.
 *
 * `import ... from 'node:http'` reads every export, and one of them (WebSocket) loads all of
 * undici: 20 ms at start for something that is not used here.
 */

export const { IncomingMessage, STATUS_CODES, ServerResponse, createServer } =
  process.getBuiltinModule('node:http');
