/**
 * Loading the user's module, and saying in one line what is wrong with it.
 *
 * The line goes into a condition that people without access to the source can read. So it names
 * the error's kind, file and line, and for an import the wanted module; the error's own message,
 * which may quote source or secrets, goes to the log only.
 */

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { relative, resolve, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const DEEP_STACK = 50;
const SYNTAX_CHECK_MS = 5000;
const EXTENSIONS = ['.js', '.mjs', '.cjs'];
const IMPORT_CODES = new Set([
  'MODULE_NOT_FOUND', 'ERR_MODULE_NOT_FOUND', 'ERR_PACKAGE_PATH_NOT_EXPORTED',
  'ERR_UNSUPPORTED_DIR_IMPORT', 'ERR_DLOPEN_FAILED', 'ERR_REQUIRE_ASYNC_MODULE',
]);
const MODULE_NAME = /^(?:@[\w.~-]+\/)?[\w.~-]+(?:\/[\w.~-]+)*$|^\.{0,2}(?:\/[\w.@~-]+)+$/;

/** The handler cannot be used; `reason` and `message` are safe to show, `cause` is for the log. */
export class LoadFailed extends Error {
  name = 'LoadFailed';

  constructor(reason, message, cause) {
    super(message, { cause });
    this.reason = reason;
  }
}

/**
 * @param {import('./settings.mjs').Settings} settings
 * @returns {Promise<Function>} the exported handler
 */
export async function loadHandler({ functionDir, moduleName, handlerName, loadMs }) {
  const path = modulePath(functionDir, moduleName);
  const usualFrames = Error.stackTraceLimit;
  // Below an import lie many frames of Node's loader; the line of the user's source is under them.
  Error.stackTraceLimit = DEEP_STACK;
  let namespace;
  try {
    namespace = await within(loadMs, import(pathToFileURL(path).href));
  } catch (error) {
    throw error instanceof LoadFailed ? error : explain(error, functionDir, path);
  } finally {
    Error.stackTraceLimit = usualFrames;
  }
  // What a CommonJS module assigns in unusual ways is not among the named exports.
  const main = namespace[handlerName] ?? namespace.default?.[handlerName];
  if (typeof main !== 'function') {
    const file = relative(functionDir, path);
    throw new LoadFailed('MissingHandler', `${file} does not export a function ${handlerName}`);
  }
  return main;
}

function modulePath(functionDir, moduleName) {
  const paths = EXTENSIONS.map((extension) => resolve(functionDir, moduleName + extension));
  const found = paths.find((path) => existsSync(path));
  if (found === undefined) {
    throw new LoadFailed('MissingHandler', `the source has no file ${moduleName}.js`);
  }
  return found;
}

async function within(milliseconds, promise) {
  let timer;
  const late = new Promise((_resolve, reject) => {
    const message = `loading took longer than ${milliseconds / 1000} s`;
    timer = setTimeout(() => reject(new LoadFailed('LoadTimeout', message)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function explain(error, functionDir, path) {
  const at = placeOf(String(error?.stack ?? ''), functionDir);
  if (IMPORT_CODES.has(error?.code)) {
    const wanted = /'([^']+)'/.exec(error.message)?.[1] ?? '';
    const name = MODULE_NAME.test(wanted) ? shorten(wanted, functionDir) : 'a module';
    return new LoadFailed('ImportError', `cannot load ${name}${at}`, error);
  }
  if (error instanceof SyntaxError) {
    if (/does not provide an export named/.test(error.message)) {
      return new LoadFailed('ImportError', `an imported name does not exist${at}`, error);
    }
    const place = at || placeOf(checkSyntax(path), functionDir);
    return new LoadFailed('SyntaxError', `the source is not valid JavaScript${place}`, error);
  }
  const kind = /^[A-Z]\w{0,63}$/.test(error?.name ?? '') ? error.name : 'Error';
  return new LoadFailed(kind, `loading the source failed with ${kind}${at}`, error);
}

/** Node hides the line of a syntax error in an ES module from code, but not from a second Node. */
function checkSyntax(path) {
  const options = { encoding: 'utf8', env: {}, timeout: SYNTAX_CHECK_MS };
  return spawnSync(process.execPath, ['--check', path], options).stderr ?? '';
}

/** ` (handler.js:3)`: the first place in the error that lies in the user's source. */
function placeOf(stack, functionDir) {
  for (const line of stack.split('\n')) {
    const match = /((?:file:\/\/)?\/[^\s():]+):(\d+)/.exec(line);
    if (match === null) continue;
    const path = match[1].startsWith('file:') ? fileURLToPath(match[1]) : match[1];
    if (path.startsWith(functionDir + sep)) return ` (${relative(functionDir, path)}:${match[2]})`;
  }
  return '';
}

function shorten(name, functionDir) {
  return name.startsWith(functionDir + sep) ? `./${relative(functionDir, name)}` : name;
}
