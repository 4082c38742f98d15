/**
 * Log lines, and the console of the user's code.
 *
 * Every line is written before the call returns: what a handler says just before it blocks for
 * ever is what its author needs most, and a buffer would lose exactly that. With JSON lines, each
 * line carries the id of the request for which the code runs; plain lines stay as printed.
 */

import { writeSync } from 'node:fs';
import { Console } from 'node:console';
import { Writable } from 'node:stream';
import { formatWithOptions } from 'node:util';
import { currentInvocation } from './invocation.mjs';

const STDOUT = 1;
const STDERR = 2;
const LEVELS = { debug: 'debug', log: 'info', info: 'info', warn: 'warn', error: 'error' };
const FORMAT = { colors: false };

export class Log {
  #json;
  #functionName;

  /** @param {{jsonLogs: boolean, functionName: string}} settings */
  constructor({ jsonLogs, functionName }) {
    this.#json = jsonLogs;
    this.#functionName = functionName;
  }

  /** @param {'debug' | 'info' | 'warn' | 'error'} level @param {string} message */
  write(level, message, requestId = currentInvocation.getStore()?.requestId) {
    if (!this.#json) {
      const fd = level === 'error' || level === 'warn' ? STDERR : STDOUT;
      writeWhole(fd, `${message}\n`);
      return;
    }
    const line = JSON.stringify({
      time: new Date().toISOString(),
      level,
      request_id: requestId ?? '',
      function: this.#functionName,
      message,
    });
    writeWhole(STDOUT, `${line}\n`);
  }

  info(message) {
    this.write('info', message);
  }

  error(message) {
    this.write('error', message);
  }

  /** Lead the global console, and with JSON lines also process.stdout, through this log. */
  captureConsole() {
    let indent = '';
    for (const [method, level] of Object.entries(LEVELS)) {
      console[method] = (...values) => {
        const text =
          values.length === 1 && typeof values[0] === 'string'
            ? values[0]
            : formatWithOptions(FORMAT, ...values);
        this.write(level, indent === '' ? text : indent + text.replaceAll('\n', `\n${indent}`));
      };
    }
    console.group = (...label) => {
      if (label.length > 0) console.log(...label);
      indent += '  ';
    };
    console.groupCollapsed = console.group;
    console.groupEnd = () => {
      indent = indent.slice(2);
    };
    console.trace = (...values) => {
      const at = { name: 'Trace', message: formatWithOptions(FORMAT, ...values) };
      Error.captureStackTrace(at, console.trace);
      console.error(at.stack);
    };
    this.#captureRareMethods();
    if (this.#json) this.#captureStandardStreams();
  }

  /** dir, table, time and the like: Node's own code, writing into this log. */
  #captureRareMethods() {
    let rare;
    const rareConsole = () => {
      rare ??= new Console({ stdout: this.#lines('info'), stderr: this.#lines('error') });
      return rare;
    };
    for (const method of ['dir', 'dirxml', 'table', 'time', 'timeEnd', 'timeLog']) {
      console[method] = (...values) => rareConsole()[method](...values);
    }
  }

  /** A stream that turns text into log lines; `write` is all that Console and loggers need. */
  #lines(level) {
    return new Writable({
      decodeStrings: false,
      write: (chunk, _encoding, done) => {
        const text = String(chunk);
        this.write(level, text.endsWith('\n') ? text.slice(0, -1) : text);
        done();
      },
    });
  }

  /** process.stdout is built on first use only: building both streams takes milliseconds. */
  #captureStandardStreams() {
    for (const [name, level] of [['stdout', 'info'], ['stderr', 'error']]) {
      let stream;
      Object.defineProperty(process, name, {
        configurable: true,
        enumerable: true,
        get: () => (stream ??= Object.assign(this.#lines(level), { fd: level === 'info' ? 1 : 2 })),
      });
    }
  }
}

/** An error as text for the log, without the source lines that Node puts before the stack. */
export function errorText(error) {
  if (!(error instanceof Error)) return formatWithOptions(FORMAT, 'thrown: %o', error);
  const stack = String(error.stack ?? error);
  // ATTACK: who may read logs may not thereby read source, and a SyntaxError quotes its line.
  // tests/unit/runtimes/nodejs/test_load.py
  const start = stack.search(/^[\w.$]*(?:Error|Exception)\b[^\n]*$/m);
  const text = start > 0 ? stack.slice(start) : stack;
  return error.cause === undefined ? text : `${text}\ncaused by ${errorText(error.cause)}`;
}

function writeWhole(fd, text) {
  let rest = text;
  for (;;) {
    try {
      const written = writeSync(fd, rest);
      if (written === rest.length) return;
      const bytes = Buffer.from(rest);
      if (written >= bytes.length) return;
      rest = bytes.subarray(written);
    } catch (error) {
      if (error.code !== 'EAGAIN') return; // the reader is gone: there is nobody to tell
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}
