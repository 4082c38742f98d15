/**
 * Settings of one Function instance, read once from the environment that the node wrote.
 *
 * Owns the names (Kyma's, old and new spelling, and ours) and their defaults. Refuses a number it
 * cannot read: a misspelt limit that silently became the default would be no limit at all.
 */

const MEBIBYTE = 1024 * 1024;

/** A setting that is present and unusable; the instance must not start with a guess. */
export class InvalidSetting extends Error {
  name = 'InvalidSetting';
}

/**
 * @typedef {{fd: number} | {host: string, port: number}} Address
 * @typedef {object} Settings
 * @property {'event' | 'request'} contract  main(event, context) or main(req, res)
 * @property {string} functionDir
 * @property {string} moduleName
 * @property {string} handlerName
 * @property {string} functionName
 * @property {string} namespace
 * @property {string} runtime
 * @property {number} timeoutSeconds
 * @property {number} timeoutMs
 * @property {number} drainMs
 * @property {number} loadMs
 * @property {number} bodyLimitMegabytes
 * @property {number} bodyLimitBytes
 * @property {string} memoryLimit
 * @property {boolean} jsonLogs
 * @property {boolean} requestLog
 * @property {string} publisherAddress
 * @property {string} traceEndpoint
 * @property {Address} requests
 * @property {Address} metrics
 * @property {number | null} controlFd
 */

/**
 * @param {Record<string, string | undefined>} env
 * @param {{node: string}} versions
 * @returns {Readonly<Settings>}
 */
export function readSettings(env, versions = process.versions) {
  const runtime = env.FUNC_RUNTIME || `nodejs${Number.parseInt(versions.node, 10)}`;
  const timeoutSeconds = positiveNumber(env, ['FUNC_TIMEOUT'], 180);
  const bodyLimitMegabytes = positiveNumber(env, ['FUNC_BODY_MB_LIMIT', 'REQ_MB_LIMIT'], 1);
  return Object.freeze({
    contract: contractOf(runtime),
    functionDir: env.CASEMATE_FUNCTION_DIR || process.cwd(),
    moduleName: env.HANDLER_MOD_NAME || env.MOD_NAME || 'handler',
    handlerName: env.HANDLER_FUNC_NAME || env.FUNC_HANDLER || 'main',
    functionName: env.FUNC_NAME || '',
    namespace: env.SERVICE_NAMESPACE || '',
    runtime,
    timeoutSeconds,
    timeoutMs: timeoutSeconds * 1000,
    drainMs: positiveNumber(env, ['FUNC_DRAIN_SECONDS'], 30) * 1000,
    loadMs: positiveNumber(env, ['CASEMATE_LOAD_SECONDS'], 60) * 1000,
    bodyLimitMegabytes,
    bodyLimitBytes: Math.floor(bodyLimitMegabytes * MEBIBYTE),
    memoryLimit: env.FUNC_MEMORY_LIMIT || '',
    jsonLogs: env.CASEMATE_LOG_FORMAT === 'json',
    requestLog: isOn(env.SERVER_INTERNAL_LOGGER) || isOn(env.KYMA_INTERNAL_LOGGER_ENABLED),
    publisherAddress: env.PUBLISHER_PROXY_ADDRESS || '',
    traceEndpoint: env.TRACE_COLLECTOR_ENDPOINT || '',
    requests: address(env, 'CASEMATE_LISTEN_FD', 'FUNC_PORT', 8080),
    metrics: address(env, 'CASEMATE_METRICS_FD', 'CASEMATE_METRICS_PORT', 8081),
    controlFd: env.CASEMATE_CONTROL_FD ? descriptor(env, 'CASEMATE_CONTROL_FD') : null,
  });
}

/** nodejs26 was the first with main(req, res); every later name keeps that contract. */
function contractOf(runtime) {
  const major = Number.parseInt(/^nodejs(\d+)$/.exec(runtime)?.[1] ?? '', 10);
  if (Number.isNaN(major)) throw new InvalidSetting(`FUNC_RUNTIME is not a Node runtime`);
  return major >= 26 ? 'request' : 'event';
}

function positiveNumber(env, names, fallback) {
  const name = names.find((candidate) => env[candidate]);
  if (name === undefined) return fallback;
  const number = Number(env[name]);
  if (!Number.isFinite(number) || number <= 0) {
    throw new InvalidSetting(`${name} is not a positive number`);
  }
  return number;
}

function descriptor(env, name) {
  const number = Number(env[name]);
  if (!Number.isInteger(number) || number < 3) {
    throw new InvalidSetting(`${name} is not a descriptor above 2`);
  }
  return number;
}

function address(env, fdName, portName, port) {
  if (env[fdName]) return { fd: descriptor(env, fdName) };
  const chosen = positiveNumber(env, [portName], port);
  if (!Number.isInteger(chosen) || chosen > 65535) {
    throw new InvalidSetting(`${portName} is not a port`);
  }
  // Every address here is the Pod's own; who may reach it is the network policy's business.
  return { host: env.CASEMATE_HOST || '0.0.0.0', port: chosen };
}

function isOn(text) {
  return text !== undefined && text !== '' && text !== 'false' && text !== '0';
}
