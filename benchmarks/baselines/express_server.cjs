// Baseline: hello world on Express with OpenTelemetry, designed as Kyma's Node runtimes are.
// Facts taken over from components/runtimes/nodejs of kyma-project/serverless: always-on sampling with
// http and express instrumentation, the four body parsers, a timeout per request, CORS headers, a
// counter and a histogram per call. No sandbox, no token. Runs on the runtime's own base layer.
"use strict";

const opentelemetry = require("@opentelemetry/api");
const { NodeTracerProvider, AlwaysOnSampler, ParentBasedSampler } = require("@opentelemetry/sdk-trace-node");
const { registerInstrumentations } = require("@opentelemetry/instrumentation");
const { ExpressInstrumentation } = require("@opentelemetry/instrumentation-express");
const { HttpInstrumentation } = require("@opentelemetry/instrumentation-http");
const { MeterProvider } = require("@opentelemetry/sdk-metrics");

const provider = new NodeTracerProvider({ sampler: new ParentBasedSampler({ root: new AlwaysOnSampler() }) });
registerInstrumentations({
  tracerProvider: provider,
  instrumentations: [new HttpInstrumentation(), new ExpressInstrumentation()],
});
provider.register();
const tracer = opentelemetry.trace.getTracer("baseline");
const meter = new MeterProvider().getMeter("baseline");
const calls = meter.createCounter("function_calls_total");
const duration = meter.createHistogram("function_duration_seconds");

const express = require("express");
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

app.use((req, res) => {
  res.header("Access-Control-Allow-Origin", "*");
  calls.add(1);
  const started = Date.now();
  const event = {
    "ce-type": req.get("ce-type"),
    "ce-source": req.get("ce-source"),
    data: req.body,
    tracer,
    extensions: { request: req, response: res },
  };
  res.end(main(event, { "function-name": "hello", runtime: "nodejs24" }));
  duration.record(Date.now() - started);
});

app.listen(Number(process.env.PORT), "127.0.0.1", () => process.stderr.write("listening\n"));
