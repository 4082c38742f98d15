/**
 * What user code can do to the whole process, turned into the failure of one request.
 *
 * An exception that nobody caught leaves the process in an unknown state: its request gets 500,
 * the others finish, and a successor takes over. A promise rejected and forgotten is only logged
 * when it belongs to a request, since nothing was left half-done. `process.exit` would drop every
 * request in flight, so it is an error of the caller's instead. None of this is a boundary.
 */

import { currentInvocation } from './invocation.mjs';
import { EXIT } from './lifecycle.mjs';
import { errorText } from './log.mjs';

/** Thrown in place of process.exit. */
export class ProcessExit extends Error {
  name = 'ProcessExit';
}

/**
 * @param {object} parts
 * @param {import('./log.mjs').Log} parts.log
 * @param {import('./lifecycle.mjs').Lifecycle} parts.lifecycle
 * @param {(invocation: object, error: unknown) => void} parts.fail  answers 500
 */
export function guardProcess({ log, lifecycle, fail }) {
  process.on('SIGTERM', () => lifecycle.drain());
  process.on('SIGINT', () => lifecycle.drain());

  process.on('uncaughtException', (error) => {
    const invocation = currentInvocation.getStore();
    if (invocation === undefined || invocation.over) log.error(`uncaught: ${errorText(error)}`);
    else fail(invocation, error);
    lifecycle.retire('UncaughtException', EXIT.INTERNAL);
  });

  process.on('unhandledRejection', (reason) => {
    log.error(`unhandled rejection: ${errorText(reason)}`);
    if (currentInvocation.getStore() === undefined) {
      lifecycle.retire('UnhandledRejection', EXIT.INTERNAL);
    }
  });
}

/**
 * Replace process.exit; returns the real one.
 * @param {() => import('./lifecycle.mjs').Lifecycle | null} lifecycleNow  null while loading
 */
export function interceptExit(lifecycleNow) {
  const exit = process.exit.bind(process);
  process.exit = (code = process.exitCode ?? 0) => {
    lifecycleNow()?.retire('ProcessExit', EXIT.INTERNAL);
    throw new ProcessExit(`process.exit(${code}) was called`);
  };
  return exit;
}
