/**
 * The contract of nodejs26: main(req, res) answers through Express' response.
 *
 * Return values are ignored. A promise tells when the work is over; a plain return tells nothing,
 * because main may answer later from a callback, so there the work is over once the response has
 * been ended.
 */

export class RequestContract {
  returnEndsWork = false;
  #main;

  /** @param {Function} main */
  constructor(main) {
    this.#main = main;
  }

  /** As Express' body parser of that image: an empty object, so that `req.body.x` is safe. */
  emptyBody() {
    return {};
  }

  /** @param {import('./invocation.mjs').Invocation} invocation */
  call = (invocation) => this.#main(invocation.request, invocation.response);

  reply() {}
}
