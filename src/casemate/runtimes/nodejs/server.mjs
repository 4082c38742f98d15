/**
 * The server of a Function in Node: joins the parts in lib/ and starts them in order.
 *
 * Order: settings, log, handler, then the doors, and only then `ready`. Requests that arrive
 * before wait in the sockets' queues. Whatever fails on the way is told to the node as
 * `load_failed`; nothing is served by half.
 */

import { Control } from './lib/control.mjs';
import { Dispatcher } from './lib/dispatcher.mjs';
import { EventContract } from './lib/event-contract.mjs';
import { Publisher, cloudEventOf, sendCloudEvent } from './lib/cloud-event.mjs';
import { RequestContract } from './lib/request-contract.mjs';
import { Lifecycle } from './lib/lifecycle.mjs';
import { LoadFailed, loadHandler } from './lib/handler-module.mjs';
import { Log, errorText } from './lib/log.mjs';
import { Metrics } from './lib/metrics.mjs';
import { InFlight } from './lib/in-flight.mjs';
import { Tracing } from './lib/tracing.mjs';
import { Watchdog } from './lib/watchdog.mjs';
import { doorOf, listen, metricsServer, requestServer } from './lib/http-server.mjs';
import { guardProcess, interceptExit } from './lib/guards.mjs';
import { trustForwardedHeaders } from './lib/express-surface.mjs';
import { readSettings } from './lib/settings.mjs';
import { requestLogger } from './lib/request-log.mjs';
import { watchImports } from './lib/resolution.mjs';

/** @type {Lifecycle | null} set once the handler is loaded: before, an exit is a failed load */
let serving = null;

async function main() {
  const exit = interceptExit(() => serving);
  let control = new Control(descriptorOrNull(process.env.CASEMATE_CONTROL_FD));
  let log = new Log({ jsonLogs: false, functionName: '' });
  try {
    const settings = readSettings(process.env);
    control = new Control(settings.controlFd);
    log = new Log(settings);
    log.captureConsole();
    await serve(settings, { control, exit, log });
  } catch (error) {
    const failure = error instanceof LoadFailed ? error : new LoadFailed(error.name, error.message);
    log.error(errorText(failure.cause ?? failure));
    new Lifecycle({ control, inFlight: { on() {} } }, exit).loadFailed(
      failure.reason,
      failure.message,
    );
  }
}

/** @param {import('./lib/settings.mjs').Settings} settings */
async function serve(settings, { control, exit, log }) {
  const tracing = new Tracing(settings);
  const publisher = new Publisher(settings.publisherAddress);
  const parts = { tracer: () => tracing.tracer, publisher, cloudEventOf, sendCloudEvent, settings };
  globalThis[Symbol.for('casemate.sdk')] = parts;
  watchImports(() => void tracing.startExport());
  if (settings.traceEndpoint !== '') await tracing.startExport();

  const handler = await loadHandler(settings);
  await tracing.settle();

  const watchdog = new Watchdog(settings);
  const inFlight = new InFlight(settings.timeoutMs, watchdog);
  const { drainMs } = settings;
  const lifecycle = new Lifecycle({ control, log, inFlight, watchdog, drainMs }, exit);
  lifecycle.flushBeforeExit(() => tracing.flush());
  const metrics = new Metrics();
  const dispatcher = new Dispatcher({
    contract: contractFor(handler, settings, parts),
    settings, inFlight, metrics, log, lifecycle, tracing,
    requestLog: settings.requestLog ? requestLogger(log) : null,
  });
  guardProcess({ log, lifecycle, fail: dispatcher.fail });

  const requests = requestServer(settings, dispatcher.onRequest);
  const counters = metricsServer(() => metrics.exposition(inFlight.size));
  lifecycle.guard(doorOf(requests));
  if (settings.requests.fd !== undefined) trustForwardedHeaders();
  await Promise.all([listen(requests, settings.requests), listen(counters, settings.metrics)]);
  watchdog.start();
  serving = lifecycle;
  control.ready();
}

function contractFor(handler, settings, parts) {
  if (settings.contract === 'event') return new EventContract(handler, settings, parts);
  return new RequestContract(handler);
}

function descriptorOrNull(text) {
  const number = Number(text);
  return Number.isInteger(number) && number > 2 ? number : null;
}

await main();
