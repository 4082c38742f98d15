/**
 * Which tracer is in use: the light one, or OpenTelemetry once something needs it.
 *
 * Starts with headers passed on and no recording. A configured collector switches at start; a
 * Function that imports the OpenTelemetry API switches when it does.
 */

import { currentHeaders, propagateToFetch, propagateToHttp } from './trace-context.mjs';
import { unrecordedTracer } from './tracer.mjs';

export class Tracing {
  /** @type {import('./trace-export.mjs').TraceExport | null} */
  active = null;
  #settings;
  /** @type {Promise<void> | null} */ #starting = null;

  /** @param {import('./settings.mjs').Settings} settings */
  constructor(settings) {
    this.#settings = settings;
  }

  get tracer() {
    return this.active === null ? unrecordedTracer : this.active.tracer;
  }

  /** Resolves once OpenTelemetry is in use; a second call waits for the first. */
  startExport() {
    this.#starting ??= import('./trace-export.mjs').then(({ TraceExport }) => {
      this.active = new TraceExport(this.#settings);
    });
    return this.#starting;
  }

  /** Before serving: finish a switch that the handler's imports began, else pass headers on. */
  async settle() {
    if (this.#starting !== null) {
      await this.#starting;
      return;
    }
    // After a later switch OpenTelemetry adds the headers itself.
    const headersNow = () => (this.active === null ? currentHeaders() : null);
    propagateToHttp(headersNow);
    propagateToFetch(headersNow);
  }

  async flush() {
    await this.active?.flush();
  }
}
