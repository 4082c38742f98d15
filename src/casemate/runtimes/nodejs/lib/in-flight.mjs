/**
 * The invocations that are not over, and the moment each must be.
 *
 * All share one time limit, so arrival order is deadline order and one timer watches the oldest.
 * An invocation past its deadline moves to `overdue` and is given a short grace in which its work
 * may end; after that it counts as work that cannot be ended.
 */

const GRACE_MS = 250;

export class InFlight {
  /** @type {Set<import('./invocation.mjs').Invocation>} */ #active = new Set();
  /** @type {Set<import('./invocation.mjs').Invocation>} */ #overdue = new Set();
  #limitMs;
  #board;
  #timerArmed = false;
  /** @type {number[]} when each running grace must have been looked at, oldest first */
  #graceEnds = [];
  #listeners = { overdue: () => {}, stuck: () => {}, idle: () => {} };

  /**
   * @param {number} limitMs
   * @param {import('./watchdog.mjs').Watchdog} board  where a blocked loop is noticed
   */
  constructor(limitMs, board) {
    this.#limitMs = limitMs;
    this.#board = board;
  }

  /** Invocations that may still end well; overdue ones are not among them. */
  get size() {
    return this.#active.size;
  }

  get all() {
    return [...this.#active, ...this.#overdue];
  }

  /**
   * overdue(invocation): the deadline has passed; stuck(invocation): the grace too, and its work
   * goes on; idle(): no invocation is left that may end well.
   * @param {Partial<{overdue: Function, stuck: Function, idle: Function}>} listeners
   */
  on(listeners) {
    Object.assign(this.#listeners, listeners);
  }

  add(invocation) {
    this.#active.add(invocation);
    if (this.#active.size === 1) this.#board.oldestStarted(invocation.startedAt);
    if (!this.#timerArmed) this.#arm(this.#limitMs);
  }

  /** To be called whenever an invocation may have become over. */
  settle(invocation) {
    if (!invocation.over) return;
    if (this.#active.delete(invocation)) {
      this.#showOldest();
      if (this.#active.size === 0) this.#listeners.idle();
    } else {
      this.#overdue.delete(invocation);
    }
  }

  #arm(milliseconds) {
    this.#timerArmed = true;
    setTimeout(() => this.#check(), Math.max(1, milliseconds));
  }

  #check() {
    this.#timerArmed = false;
    const now = performance.now();
    for (const invocation of this.#active) {
      const remaining = invocation.startedAt + this.#limitMs - now;
      if (remaining > 0) {
        this.#arm(Math.ceil(remaining));
        break;
      }
      this.#expire(invocation);
    }
    this.#showOldest();
    if (this.#active.size === 0) this.#listeners.idle();
  }

  #expire(invocation) {
    this.#active.delete(invocation);
    this.#overdue.add(invocation);
    invocation.overdue = true;
    this.#graceEnds.push(performance.now() + 2 * GRACE_MS);
    this.#board.obliged(this.#graceEnds[0]);
    setTimeout(() => {
      this.#graceEnds.shift();
      this.#board.obliged(this.#graceEnds[0] ?? 0);
      if (this.#overdue.has(invocation) && invocation.working) this.#listeners.stuck(invocation);
    }, GRACE_MS);
    this.#listeners.overdue(invocation);
    this.settle(invocation);
  }

  #showOldest() {
    const { value } = this.#active.values().next();
    this.#board.oldestStarted(value === undefined ? 0 : value.startedAt);
  }
}
