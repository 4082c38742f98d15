/**
 * Counters of this instance and their text form for Prometheus.
 *
 * Keeps Kyma's three names. `function_duration_miliseconds` is spelt as Kyma's Node images spell
 * it, so that dashboards written for them keep working; `function_duration_seconds` is the name to
 * use. Plain numbers in place of a metrics library: recording is on the path of every request.
 */

const BUCKETS_MS = [5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000];

export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export class Metrics {
  #calls = 0;
  #failures = 0;
  #timeouts = 0;
  #durationMs = 0;
  #buckets = new Float64Array(BUCKETS_MS.length + 1);

  called() {
    this.#calls += 1;
  }

  failed() {
    this.#failures += 1;
  }

  timedOut() {
    this.#timeouts += 1;
  }

  /** @param {number} milliseconds */
  lasted(milliseconds) {
    let index = 0;
    while (index < BUCKETS_MS.length && milliseconds > BUCKETS_MS[index]) index += 1;
    this.#buckets[index] += 1;
    this.#durationMs += milliseconds;
  }

  /** @param {number} inFlight @returns {string} */
  exposition(inFlight) {
    return [
      ...counter('function_calls_total', 'Number of calls to user function', this.#calls),
      ...counter('function_failures_total', 'Number of failed calls', this.#failures),
      ...counter('function_timeouts_total', 'Number of calls past their deadline', this.#timeouts),
      ...this.#histogram('function_duration_seconds', 1000),
      ...this.#histogram('function_duration_miliseconds', 1),
      ...gauge('function_requests_in_flight', 'Calls being served now', inFlight),
      ...processLines(),
      '',
    ].join('\n');
  }

  #histogram(name, divisor) {
    const lines = [`# HELP ${name} Duration of user function`, `# TYPE ${name} histogram`];
    let count = 0;
    BUCKETS_MS.forEach((bound, index) => {
      count += this.#buckets[index];
      lines.push(`${name}_bucket{le="${bound / divisor}"} ${count}`);
    });
    count += this.#buckets[BUCKETS_MS.length];
    lines.push(`${name}_bucket{le="+Inf"} ${count}`);
    lines.push(`${name}_sum ${this.#durationMs / divisor}`, `${name}_count ${count}`);
    return lines;
  }
}

function processLines() {
  const { user, system } = process.cpuUsage();
  const resident = process.memoryUsage.rss();
  return [
    ...counter('process_cpu_seconds_total', 'CPU time used', (user + system) / 1e6),
    ...gauge('process_resident_memory_bytes', 'Memory in use', resident),
  ];
}

const counter = (name, help, value) => sample(name, help, 'counter', value);
const gauge = (name, help, value) => sample(name, help, 'gauge', value);

function sample(name, help, kind, value) {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`, `${name} ${value}`];
}
