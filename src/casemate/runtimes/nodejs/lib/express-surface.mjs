/**
 * The part of Express that is not written in `messages.mjs`, attached on first touch.
 *
 * Owns the list of Express' names (a test compares it with the installed Express) and the settings
 * that its methods ask for. Refuses three of its defaults: no X-Powered-By, no ETag unless the
 * handler sets one, and a forwarded address is believed only from the gateway's own socket.
 */

import { createRequire } from 'node:module';

const REQUEST_METHODS = [
  'accepts', 'acceptsCharsets', 'acceptsEncodings', 'acceptsLanguages', 'is', 'range',
];
const REQUEST_GETTERS = [
  'fresh', 'host', 'hostname', 'ip', 'ips', 'protocol', 'secure', 'stale', 'subdomains', 'xhr',
];
const RESPONSE_METHODS = [
  'append', 'attachment', 'clearCookie', 'cookie', 'download', 'format', 'jsonp', 'links',
  'location', 'redirect', 'render', 'sendFile', 'vary',
];

const require = createRequire(import.meta.url);

/** @type {{request: object, response: object} | null} */
let loaded = null;
let prototypes = null;

/** Load Express' methods and put them in place of the stubs; later calls return at once. */
export function installExpress() {
  if (loaded !== null) return loaded;
  loaded = {
    request: require('express/lib/request'),
    response: require('express/lib/response'),
  };
  for (const name of [...REQUEST_METHODS, ...REQUEST_GETTERS]) {
    copyProperty(loaded.request, prototypes.request, name);
  }
  for (const name of RESPONSE_METHODS) copyProperty(loaded.response, prototypes.response, name);
  return loaded;
}

/** Put a stub for each name on the two prototypes; the first touch replaces them all. */
installExpress.prepare = (request, response) => {
  prototypes = { request, response };
  for (const name of REQUEST_METHODS) defineStub(request, name);
  for (const name of RESPONSE_METHODS) defineStub(response, name);
  for (const name of REQUEST_GETTERS) {
    Object.defineProperty(request, name, {
      configurable: true,
      get() {
        installExpress();
        return this[name];
      },
    });
  }
};

const settings = new Map([
  ['etag', false],
  ['jsonp callback name', 'callback'],
  ['query parser', 'simple'],
  ['subdomain offset', 2],
  ['trust proxy', false],
  ['trust proxy fn', () => false],
  ['x-powered-by', false],
]);

/** What Express' methods and handlers find as `req.app` and `res.app`. */
export const expressApp = {
  locals: Object.create(null),
  mountpath: '/',
  get: (name) => settings.get(name),
  enabled: (name) => Boolean(settings.get(name)),
  disabled: (name) => !settings.get(name),
  set(name, value) {
    settings.set(name, value);
    return this;
  },
  enable: (name) => expressApp.set(name, true),
  disable: (name) => expressApp.set(name, false),
  render: (...values) => viewApp().render(...values),
  engine: (...values) => viewApp().engine(...values),
};

/** The peer on a unix socket is the gateway, whose X-Forwarded-* headers are its own. */
export function trustForwardedHeaders() {
  settings.set('trust proxy', 1);
  settings.set('trust proxy fn', (_address, hop) => hop === 0);
}

/** A whole Express application, for the few handlers that render templates. */
let realApp = null;
function viewApp() {
  realApp ??= require('express')();
  for (const name of ['views', 'view engine', 'view cache']) {
    if (settings.has(name)) realApp.set(name, settings.get(name));
  }
  return realApp;
}

function defineStub(prototype, name) {
  Object.defineProperty(prototype, name, {
    configurable: true,
    writable: true,
    value(...values) {
      installExpress();
      return this[name](...values);
    },
  });
}

function copyProperty(source, target, name) {
  const descriptor = Object.getOwnPropertyDescriptor(source, name);
  if (descriptor !== undefined) {
    Object.defineProperty(target, name, { ...descriptor, enumerable: false });
  }
}
