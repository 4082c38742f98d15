/** One line per request in Apache's combined format; off unless the manifest turns it on. */

const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

/**
 * @param {import('./log.mjs').Log} log
 * @returns {(invocation: import('./invocation.mjs').Invocation) => void}
 */
export function requestLogger(log) {
  return ({ request, response, requestId }) => {
    const { headers, method, url, httpVersion } = request;
    const from = headers['x-forwarded-for'] ?? request.socket.remoteAddress ?? '-';
    const line =
      `${from} - - [${apacheTime(new Date())}] "${method} ${url} HTTP/${httpVersion}" ` +
      `${response.statusCode} ${response.getHeader('content-length') ?? '-'} ` +
      `"${headers.referer ?? '-'}" "${headers['user-agent'] ?? '-'}"`;
    log.write('info', line, requestId);
  };
}

function apacheTime(time) {
  const two = (number) => String(number).padStart(2, '0');
  const day = `${two(time.getUTCDate())}/${MONTHS[time.getUTCMonth()]}/${time.getUTCFullYear()}`;
  const clock = [time.getUTCHours(), time.getUTCMinutes(), time.getUTCSeconds()].map(two);
  return `${day}:${clock.join(':')} +0000`;
}
