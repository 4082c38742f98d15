/**
 * Request bodies: read up to the limit, decompressed, and parsed as the contract says.
 *
 * JSON (application/json, application/cloudevents+json) becomes a value, text/* a string, a form
 * an object, anything else a Buffer; a request without a body gives undefined. Refuses what is too
 * large before it is kept, also when it only becomes large by decompression.
 */

import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

const FORM_PARAMETERS = 1000;
const FORM_DEPTH = 32;
const BATCH_TYPE = 'application/cloudevents-batch+json';
const JSON_TYPES = new Set(['application/json', 'application/cloudevents+json', BATCH_TYPE]);

/** A body that is refused: `status` is what the caller gets, the message says why. */
export class BodyRefused extends Error {
  name = 'BodyRefused';

  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** @param {Record<string, string>} headers @returns {boolean} */
export function hasBody(headers) {
  return headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
}

/** @returns {boolean} the declared length alone is already too large */
export function declaresTooMuch(headers, limitBytes) {
  return Number(headers['content-length'] ?? 0) > limitBytes;
}

/** @param {string | undefined} header @returns {{type: string, charset: string}} lower case */
export function contentType(header) {
  if (header === undefined) return { type: '', charset: '' };
  const end = header.indexOf(';');
  if (end === -1) return { type: header.trim().toLowerCase(), charset: '' };
  const charset = /;\s*charset\s*=\s*"?([^\s";]+)/i.exec(header)?.[1] ?? '';
  return { type: header.slice(0, end).trim().toLowerCase(), charset: charset.toLowerCase() };
}

/**
 * Read all bytes; rejects with BodyRefused past the limit, and when the caller leaves half-way.
 * @param {import('node:http').IncomingMessage} request
 * @param {number} limitBytes
 * @returns {Promise<Buffer>}
 */
export async function readBody(request, limitBytes) {
  if (declaresTooMuch(request.headers, limitBytes)) throw tooLarge(limitBytes);
  const bytes = await collect(request, limitBytes);
  const encoding = (request.headers['content-encoding'] ?? 'identity').toLowerCase();
  return encoding === 'identity' ? bytes : inflate(bytes, encoding, limitBytes);
}

function collect(request, limitBytes) {
  return new Promise((resolve, reject) => {
    const chunks = [];
    let received = 0;
    const onData = (chunk) => {
      received += chunk.length;
      if (received > limitBytes) {
        request.off('data', onData);
        reject(tooLarge(limitBytes));
        return;
      }
      chunks.push(chunk);
    };
    request.on('data', onData);
    request.once('end', () => resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)));
    request.once('error', () => {}); // 'close' follows and says the same
    request.once('close', () => {
      if (!request.complete) reject(new BodyRefused(400, 'the body ended early'));
    });
  });
}

async function inflate(bytes, encoding, limitBytes) {
  const { promisify } = require('node:util');
  const zlib = require('node:zlib');
  const decoders = { gzip: zlib.gunzip, deflate: zlib.inflate, br: zlib.brotliDecompress };
  if (!Object.hasOwn(decoders, encoding)) {
    throw new BodyRefused(415, 'the content encoding is not supported');
  }
  try {
    // ATTACK: a few kilobytes can inflate to gigabytes; the limit binds the inflated size.
    // tests/unit/runtimes/nodejs/test_bodies.py
    return await promisify(decoders[encoding])(bytes, { maxOutputLength: limitBytes });
  } catch (error) {
    if (error.code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(limitBytes);
    throw new BodyRefused(400, 'the body does not match its content encoding');
  }
}

/**
 * @param {Buffer} bytes
 * @param {string | undefined} header  Content-Type as received
 * @returns {unknown}
 */
export function parseBody(bytes, header) {
  const { type, charset } = contentType(header);
  if (JSON_TYPES.has(type)) return parseJson(bytes, charset);
  if (type.startsWith('text/')) return decode(bytes, charset);
  if (type === 'application/x-www-form-urlencoded') return parseForm(decode(bytes, charset));
  return bytes;
}

function parseJson(bytes, charset) {
  if (charset !== '' && !charset.startsWith('utf-')) {
    throw new BodyRefused(415, 'JSON must be in a Unicode encoding');
  }
  if (bytes.length === 0) return {};
  try {
    return JSON.parse(decode(bytes, charset));
  } catch {
    throw new BodyRefused(400, 'the body is not valid JSON');
  }
}

function decode(bytes, charset) {
  if (charset === '' || charset === 'utf-8' || charset === 'utf8') {
    const text = bytes.toString('utf8');
    return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  }
  try {
    return new TextDecoder(charset).decode(bytes);
  } catch {
    throw new BodyRefused(415, 'the charset is not supported');
  }
}

function parseForm(text) {
  const parameters = text === '' ? 0 : text.split('&').length;
  if (parameters > FORM_PARAMETERS) throw new BodyRefused(413, 'the form has too many fields');
  try {
    return require('qs').parse(text, {
      allowPrototypes: true, // as Express' own parser; qs never sets __proto__
      arrayLimit: Math.max(100, parameters),
      depth: FORM_DEPTH,
      parameterLimit: FORM_PARAMETERS,
      strictDepth: true,
    });
  } catch {
    throw new BodyRefused(400, 'the form is nested too deeply');
  }
}

function tooLarge(limitBytes) {
  return new BodyRefused(413, `the body is larger than ${limitBytes} bytes`);
}
