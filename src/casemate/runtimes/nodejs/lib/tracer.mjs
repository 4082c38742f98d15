/**
 * The tracer that a handler gets when spans go nowhere: OpenTelemetry's shape, no recording.
 *
 * Spans know their trace, so that ids in logs and outgoing headers agree, and forget all else.
 * With a collector configured, or once the handler imports the OpenTelemetry API itself, the real
 * one of `trace-export.mjs` takes its place.
 */

import { randomBytes } from 'node:crypto';
import { currentInvocation } from './invocation.mjs';
import { traceFor, traceOf } from './trace-context.mjs';

class UnrecordedSpan {
  #context;

  constructor(context) {
    this.#context = context;
  }

  spanContext() {
    return this.#context;
  }

  isRecording() {
    return false;
  }

  setAttribute() {
    return this;
  }

  setAttributes() {
    return this;
  }

  addEvent() {
    return this;
  }

  addLink() {
    return this;
  }

  addLinks() {
    return this;
  }

  setStatus() {
    return this;
  }

  updateName() {
    return this;
  }

  recordException() {}

  end() {}
}

/** Same methods as OpenTelemetry's Tracer. */
export const unrecordedTracer = Object.freeze({
  startSpan() {
    const invocation = currentInvocation.getStore();
    const { traceId, traceFlags } = invocation === undefined ? traceOf({}) : traceFor(invocation);
    return new UnrecordedSpan({ traceId, traceFlags, spanId: randomBytes(8).toString('hex') });
  },

  /** (name, fn), (name, options, fn) or (name, options, context, fn) */
  startActiveSpan(name, ...rest) {
    return rest.at(-1)(this.startSpan(name));
  },
});
