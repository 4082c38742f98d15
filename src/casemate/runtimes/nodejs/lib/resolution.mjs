/**
 * Two names in the user's imports that this runtime cares about.
 *
 * `sdk` is ours unless the Function brings a package of that name. `@opentelemetry/api` means that
 * the Function looks at spans by itself, so it must find a working provider there, as under Kyma.
 */

import { registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';

const SDK_URL = new URL('../sdk/index.cjs', import.meta.url).href;

/** @param {() => void} onTelemetryImport  called at most once */
export function watchImports(onTelemetryImport) {
  let told = false;
  registerHooks({
    resolve(specifier, context, next) {
      if (specifier === 'sdk') return resolveSdk(specifier, context, next);
      if (specifier === '@opentelemetry/api' && !told && !isOwn(context.parentURL)) {
        told = true;
        onTelemetryImport();
      }
      return next(specifier, context);
    },
  });
}

function resolveSdk(specifier, context, next) {
  try {
    return next(specifier, context);
  } catch {
    return { url: SDK_URL, format: 'commonjs', shortCircuit: true };
  }
}

const OWN_URL = new URL('..', import.meta.url).href;

/** Imports by this runtime, and by the packages of the base layer, are not the Function's. */
function isOwn(parent) {
  if (parent === undefined) return false;
  const url = parent.startsWith('/') ? pathToFileURL(parent).href : parent;
  return url.startsWith(OWN_URL) || url.includes('/node_modules/');
}
