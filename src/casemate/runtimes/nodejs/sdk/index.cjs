/**
 * The `sdk` module of a Function: what main(req, res) has in place of Kyma's event and context.
 *
 * CommonJS, so that `require('sdk')` and `import ... from 'sdk'` give the same names and the same
 * instance. Holds nothing itself: the server leaves the working parts under one symbol.
 */
'use strict';

const runtime = globalThis[Symbol.for('casemate.sdk')];

module.exports = {
  /** OpenTelemetry tracer of this Function. */
  getTracer: () => runtime.tracer(),
  /** The request's CloudEvent (a list for a batch), or null. */
  getCloudEvent: (req) => runtime.cloudEventOf(req),
  /** Send an event to the publisher; resolves to its answer. */
  emitCloudEvent: (type, source, data, attributes) =>
    runtime.publisher.emit(type, source, data, attributes),
  /** Answer with an event (mode 'binary' or 'structured') or, given a list, with a batch. */
  sendCloudEvent: (res, event, mode) => runtime.sendCloudEvent(res, event, mode),
  getFunctionName: () => runtime.settings.functionName,
  getNamespace: () => runtime.settings.namespace,
  getRuntime: () => runtime.settings.runtime,
  getTimeout: () => runtime.settings.timeoutSeconds,
  getBodySizeLimit: () => runtime.settings.bodyLimitMegabytes,
};
