// Baseline: hello world on Express with OpenTelemetry, designed as Kyma's Node runtimes are.
// Facts taken over from components/runtimes/nodejs (server.mjs, lib/tracer.js, lib/metrics.js) of
// kyma-project/serverless, as of 5d86dc2: always-on sampling with http and express instrumentation,
// W3C and B3 propagation, the four body parsers, a timeout per request, CORS headers, a counter and a
// histogram per call that a Prometheus reader collects, a check for CloudEvents, one wildcard route.
// No sandbox, no token. Runs on the runtime's own base layer.
"use strict";

const opentelemetry = require("@opentelemetry/api");
const { NodeTracerProvider, AlwaysOnSampler, ParentBasedSampler } = require("@opentelemetry/sdk-trace-node");
const { registerInstrumentations } = require("@opentelemetry/instrumentation");
const { CompositePropagator, W3CTraceContextPropagator } = require("@opentelemetry/core");
const { B3InjectEncoding, B3Propagator } = require("@opentelemetry/propagator-b3");
const { ExpressInstrumentation, ExpressLayerType } = require("@opentelemetry/instrumentation-express");
const { HttpInstrumentation } = require("@opentelemetry/instrumentation-http");
const { MeterProvider } = require("@opentelemetry/sdk-metrics");
const { PrometheusExporter } = require("@opentelemetry/exporter-prometheus");

const provider = new NodeTracerProvider({ sampler: new ParentBasedSampler({ root: new AlwaysOnSampler() }) });
registerInstrumentations({
  tracerProvider: provider,
  instrumentations: [
    new HttpInstrumentation({ ignoreIncomingRequestHook: (req) => ["/healthz", "/metrics"].includes(req.url) }),
    new ExpressInstrumentation({ ignoreLayersType: [ExpressLayerType.MIDDLEWARE] }),
  ],
});
provider.register({
  propagator: new CompositePropagator({
    propagators: [
      new W3CTraceContextPropagator(),
      new B3Propagator({ injectEncoding: B3InjectEncoding.MULTI_HEADER }),
    ],
  }),
});
const tracer = opentelemetry.trace.getTracer("baseline");
const meter = new MeterProvider({
  readers: [new PrometheusExporter({ preventServerStart: true })],
}).getMeter("baseline");
const calls = meter.createCounter("function_calls_total");
const duration = meter.createHistogram("function_duration_seconds");

// After the tracer, so that it is instrumented.
const express = require("express");
const { HTTP } = require("cloudevents");
const app = express();
const limit = "1mb";
app.use(express.json({ type: ["application/json", "application/cloudevents+json"], limit, strict: false }));
app.use(express.text({ type: ["text/*"], limit }));
app.use(express.urlencoded({ limit, extended: true }));
app.use(express.raw({ limit, type: () => true }));
app.use((req, res, next) => {
  res.setTimeout(180_000, () => res.sendStatus(408));
  next();
});

const main = (event, context) => "hello world";

app.get("/healthz", (req, res) => res.status(200).send("OK"));

app.all("/*path", serve);
app.all("/", serve);

function serve(req, res) {
  res.header("Access-Control-Allow-Origin", "*");
  calls.add(1);
  const started = Date.now();
  const message = { headers: req.headers, body: req.body };
  const attributes = HTTP.isEvent(message) ? HTTP.toEvent(message) : {};
  const event = { ...attributes, data: req.body, tracer, extensions: { request: req, response: res } };
  res.end(main(event, { "function-name": "hello", runtime: "nodejs24" }));
  duration.record(Date.now() - started);
}

app.listen(Number(process.env.PORT), "127.0.0.1", () => process.stderr.write("listening\n"));
