/**
 * OpenTelemetry as Kyma's images set it up: a span per request, client spans, OTLP over HTTP.
 *
 * Imported only when a collector is configured or the Function imports the API itself, because
 * loading it takes longer than everything else at start. Spans are sent in batches, not one
 * request to the collector for each.
 */

import { createRequire } from 'node:module';
import { propagateToFetch } from './trace-context.mjs';

const require = createRequire(import.meta.url);
const TRACER_NAME = 'io.kyma-project.serverless';

export class TraceExport {
  #api = require('@opentelemetry/api');
  #provider;
  #spans = new WeakMap();

  /** @param {import('./settings.mjs').Settings} settings */
  constructor(settings) {
    this.#provider = provider(settings);
    this.#provider.register({ propagator: propagator() });
    instrumentHttpClients(this.#provider);
    propagateToFetch(() => this.#activeHeaders());
    this.tracer = this.#api.trace.getTracer(TRACER_NAME);
  }

  /** Call the handler with this request's span as the active one. */
  run(invocation, call) {
    const { context, propagation, trace, SpanKind } = this.#api;
    const { request } = invocation;
    const parent = propagation.extract(context.active(), request.headers);
    const attributes = { 'http.request.method': request.method, 'url.path': request.path };
    const span = this.tracer.startSpan(
      request.method,
      { kind: SpanKind.SERVER, attributes },
      parent,
    );
    this.#spans.set(invocation, span);
    return context.with(trace.setSpan(parent, span), call, undefined, invocation);
  }

  fail(invocation, error) {
    const span = this.#spans.get(invocation);
    const message = typeof error === 'string' ? error : 'Internal server error';
    span?.setStatus({ code: this.#api.SpanStatusCode.ERROR, message });
  }

  end(invocation) {
    const span = this.#spans.get(invocation);
    span?.setAttribute('http.response.status_code', invocation.response.statusCode);
    span?.end();
  }

  flush() {
    return this.#provider.forceFlush();
  }

  #activeHeaders() {
    const carrier = {};
    this.#api.propagation.inject(this.#api.context.active(), carrier);
    return Object.entries(carrier);
  }
}

function provider({ functionName, traceEndpoint }) {
  const {
    AlwaysOnSampler, BatchSpanProcessor, NodeTracerProvider, ParentBasedSampler,
  } = require('@opentelemetry/sdk-trace-node');
  const { defaultResource, resourceFromAttributes } = require('@opentelemetry/resources');
  const spanProcessors = [];
  if (traceEndpoint !== '') {
    const { OTLPTraceExporter } = require('@opentelemetry/exporter-trace-otlp-http');
    spanProcessors.push(new BatchSpanProcessor(new OTLPTraceExporter({ url: traceEndpoint })));
  }
  const resource = resourceFromAttributes({ 'service.name': functionName });
  return new NodeTracerProvider({
    resource: defaultResource().merge(resource),
    sampler: new ParentBasedSampler({ root: new AlwaysOnSampler() }),
    spanProcessors,
  });
}

function propagator() {
  const { CompositePropagator, W3CTraceContextPropagator } = require('@opentelemetry/core');
  const { B3InjectEncoding, B3Propagator } = require('@opentelemetry/propagator-b3');
  return new CompositePropagator({
    propagators: [
      new B3Propagator({ injectEncoding: B3InjectEncoding.MULTI_HEADER }),
      new W3CTraceContextPropagator(),
    ],
  });
}

/** Client spans and headers for http and https; the server side is `run`, at far less cost. */
function instrumentHttpClients(tracerProvider) {
  const { registerInstrumentations } = require('@opentelemetry/instrumentation');
  const { HttpInstrumentation } = require('@opentelemetry/instrumentation-http');
  registerInstrumentations({
    tracerProvider,
    instrumentations: [new HttpInstrumentation({ disableIncomingRequestInstrumentation: true })],
  });
  require('node:http');
  require('node:https');
}
