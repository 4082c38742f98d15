/**
 * The thread that ends the process when the main thread is blocked past a deadline.
 *
 * It runs no user code and touches nothing but the shared board, so an endless loop or a flood of
 * microtasks over there does not reach it. It first asks the node for a successor, then kills: the
 * blocked thread cannot answer anyone any more, and everything it held is lost with it either way.
 */
'use strict';

const { writeSync } = require('node:fs');
const { workerData } = require('node:worker_threads');

const { times, wake, limitMs, controlFd, now: shownNow, monotonicNs } = workerData;
const OLDEST_STARTED = 0;
const OBLIGATION = 1;
const LAST_WORD = 2;
// The main thread answers at the deadline itself; it is blocked if it has not within this time.
const GRACE_MS = 250;
const SHORTEST_SLEEP_MS = 20;
const LONGEST_SLEEP_MS = 60_000;

function mainNow() {
  return shownNow + Number(process.hrtime.bigint() - monotonicNs) / 1e6;
}

/** The moment by which the main thread must have changed the board; Infinity: owes nothing. */
function nextLimit() {
  const oldest = times[OLDEST_STARTED];
  const limits = [times[OBLIGATION], times[LAST_WORD]];
  if (oldest !== 0) limits.push(oldest + limitMs + GRACE_MS);
  return Math.min(Infinity, ...limits.filter((limit) => limit !== 0));
}

function say(fd, line) {
  try {
    writeSync(fd, `${line}\n`);
  } catch {
    // nobody reads
  }
}

for (;;) {
  const seen = Atomics.load(wake, 0);
  const remaining = nextLimit() - mainNow();
  if (remaining <= 0) {
    say(2, 'the event loop is blocked past the deadline; the process is killed');
    if (controlFd !== null) {
      say(controlFd, JSON.stringify({ event: 'retiring', reason: 'DeadlineExceeded' }));
    }
    process.kill(process.pid, 'SIGKILL');
  }
  // An invocation that starts right after this look is due one whole limit later, so looking once
  // a limit misses none: idle costs one wake-up in that time.
  const sleep = Math.min(remaining, limitMs, LONGEST_SLEEP_MS);
  Atomics.wait(wake, 0, seen, Math.max(sleep, SHORTEST_SLEEP_MS));
}
