/**
 * The `sdk` module of a Function: what main(req, res) has in place of Kyma's event and context.
 *
 * CommonJS, so that `require('sdk')` and `import ... from 'sdk'` give the same names and the same
 * instance. Holds nothing itself: the server leaves the working parts under one symbol.
 */
'use strict';

const runtime = globalThis[Symbol.for('casemate.sdk')];

// Assigned one by one: so Node finds the names for `import { ... } from 'sdk'`.

/** OpenTelemetry tracer of this Function. */
exports.getTracer = () => runtime.tracer();

/** The request's CloudEvent (a list for a batch), or null. */
exports.getCloudEvent = (req) => runtime.cloudEventOf(req);

/** Send an event to the publisher; resolves to its answer. */
exports.emitCloudEvent = (type, source, data, attributes) =>
  runtime.publisher.emit(type, source, data, attributes);

/** Answer with an event (mode 'binary' or 'structured') or, given a list, with a batch. */
exports.sendCloudEvent = (res, event, mode) => runtime.sendCloudEvent(res, event, mode);

exports.getFunctionName = () => runtime.settings.functionName;
exports.getNamespace = () => runtime.settings.namespace;
exports.getRuntime = () => runtime.settings.runtime;
exports.getTimeout = () => runtime.settings.timeoutSeconds;
exports.getBodySizeLimit = () => runtime.settings.bodyLimitMegabytes;
