/**
 * Words to the node: one JSON object a line on the control descriptor.
 *
 * Owns the three events and their shape. Writes synchronously, because the next thing this process
 * does after `load_failed` or `retiring` may be to end. The node treats every line as untrusted:
 * the handler lives in this process and can write to the same descriptor.
 */

import { writeSync } from 'node:fs';

export class Control {
  #fd;

  /** @param {number | null} fd  null: nobody listens, as on Kubernetes */
  constructor(fd) {
    this.#fd = fd;
  }

  ready() {
    this.#send({ event: 'ready' });
  }

  /** @param {string} reason @param {string} message  no source text beyond file:line */
  loadFailed(reason, message) {
    this.#send({ event: 'load_failed', reason, message });
  }

  /** Asks for a successor on the same sockets. @param {string} reason */
  retiring(reason) {
    this.#send({ event: 'retiring', reason });
  }

  #send(event) {
    if (this.#fd === null) return;
    try {
      writeSync(this.#fd, `${JSON.stringify(event)}\n`);
    } catch {
      // The node is gone or does not read: then nobody is left to tell.
    }
  }
}
