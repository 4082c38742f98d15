/**
 * How this process ends: drained on SIGTERM, retired when it can no longer be trusted, failed.
 *
 * Ending always goes the same way: no new connections, what is in hand is served to its end (at
 * most the drain time), then exit. The listening sockets stay open in the node, so a successor
 * takes what arrives meanwhile and no connection is refused.
 */

export const EXIT = { DRAINED: 0, LOAD_FAILED: 65, INTERNAL: 70, RETIRED: 75 };

// A request may already be on its way on an idle connection that we are about to close.
const LINGER_MS = 50;
const EXPORT_MS = 2000;

export class Lifecycle {
  #parts;
  #exit;
  #exitCode = null;
  #finishing = false;

  /**
   * @param {object} parts
   * @param {import('./control.mjs').Control} parts.control
   * @param {import('./log.mjs').Log} parts.log
   * @param {import('./in-flight.mjs').InFlight} parts.inFlight
   * @param {import('./watchdog.mjs').Watchdog} parts.watchdog
   * @param {number} parts.drainMs
   * @param {(code: number) => never} exit  process.exit, before anyone replaced it
   */
  constructor(parts, exit) {
    this.#parts = { ...parts, doors: [], flush: async () => {} };
    this.#exit = exit;
    parts.inFlight.on({ idle: () => this.#finishWhenIdle() });
  }

  get ending() {
    return this.#exitCode !== null;
  }

  /** @param {{closeDoor: Function, closeIdle: Function, linger: boolean}} door  a server */
  guard(door) {
    this.#parts.doors.push(door);
  }

  /** @param {() => Promise<void>} flush  sends what an exporter still holds */
  flushBeforeExit(flush) {
    this.#parts.flush = flush;
  }

  loadFailed(reason, message) {
    this.#parts.control.loadFailed(reason, message);
    this.#exit(EXIT.LOAD_FAILED);
  }

  /** Ask for a successor, finish what is in hand, leave. */
  retire(reason, exitCode = EXIT.RETIRED) {
    if (this.ending) return;
    this.#parts.log.write('warn', `retiring: ${reason}`, '');
    this.#parts.control.retiring(reason);
    this.#end(exitCode);
  }

  /** SIGTERM: as retiring, but nobody needs to be asked. */
  drain() {
    if (!this.ending) this.#end(EXIT.DRAINED);
  }

  #end(exitCode) {
    this.#exitCode = exitCode;
    const { doors, drainMs, inFlight, watchdog } = this.#parts;
    for (const door of doors) door.closeDoor();
    for (const { response } of inFlight.all) {
      if (!response.headersSent) response.shouldKeepAlive = false;
    }
    // From here on a blocked loop must not keep the process: the drain time is the last word.
    watchdog.ended(performance.now() + drainMs + EXPORT_MS + 1000);
    setTimeout(() => this.#exit(exitCode), drainMs);
    this.#finishWhenIdle();
  }

  #finishWhenIdle() {
    if (!this.ending || this.#finishing || this.#parts.inFlight.size > 0) return;
    this.#finishing = true;
    setTimeout(() => void this.#finish(), LINGER_MS);
  }

  async #finish() {
    this.#finishing = false;
    if (this.#parts.inFlight.size > 0) return; // one came on a kept connection: idle() comes again
    for (const door of this.#parts.doors) door.closeIdle();
    await Promise.race([
      this.#parts.flush().catch(() => {}),
      new Promise((resolve) => setTimeout(resolve, EXPORT_MS)),
    ]);
    this.#exit(this.#exitCode);
  }
}
