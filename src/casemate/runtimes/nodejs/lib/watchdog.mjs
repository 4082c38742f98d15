/**
 * The board on which this thread shows what it must get done, and the thread that reads it.
 *
 * A handler in an endless loop blocks every timer of this thread, so only another thread can see
 * that a deadline passed unanswered. Showing is two stores into shared memory per request; the
 * other thread sleeps until the earliest moment at which something could be overdue.
 */

import { Worker } from 'node:worker_threads';

/** Cells of the shared board; the worker has the same list. */
const OLDEST_STARTED = 0;
const OBLIGATION = 1;
const LAST_WORD = 2;
const CELLS = 3;

export class Watchdog {
  #times = new Float64Array(new SharedArrayBuffer(CELLS * Float64Array.BYTES_PER_ELEMENT));
  #wake = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  #limitMs;
  #controlFd;

  /** @param {{timeoutMs: number, controlFd: number | null}} settings */
  constructor({ timeoutMs, controlFd }) {
    this.#limitMs = timeoutMs;
    this.#controlFd = controlFd;
  }

  /** @param {number} startedAt  performance.now() of the oldest invocation in time, 0: none */
  oldestStarted(startedAt) {
    this.#times[OLDEST_STARTED] = startedAt;
  }

  /** @param {number} due  this thread will have run again by then, unless it is blocked; 0: none */
  obliged(due) {
    this.#show(OBLIGATION, due);
  }

  /** @param {number} due  this process will have ended by then */
  ended(due) {
    this.#show(LAST_WORD, due);
  }

  #show(cell, due) {
    this.#times[cell] = due;
    Atomics.add(this.#wake, 0, 1);
    Atomics.notify(this.#wake, 0);
  }

  /** Start the watching thread; a small heap of its own, no streams, no environment. */
  start() {
    const worker = new Worker(new URL('./watchdog-thread.cjs', import.meta.url), {
      workerData: {
        times: this.#times,
        wake: this.#wake,
        limitMs: this.#limitMs,
        controlFd: this.#controlFd,
        // performance.now() counts from another moment there; this ties the two clocks.
        now: performance.now(),
        monotonicNs: process.hrtime.bigint(),
      },
      env: {},
      execArgv: [],
      trackUnmanagedFds: false,
      resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 1, stackSizeMb: 1 },
    });
    worker.unref();
    worker.on('error', () => {}); // requests are served without it; the gateway's limit still holds
  }
}
