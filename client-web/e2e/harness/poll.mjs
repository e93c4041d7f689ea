/**
 * Waiting without sleeping: ask until the answer is yes, or say what the last answer was.
 * Counters of media are only ever compared this way, never by exact rates.
 */

/** How long anything in a call may take on a slow machine, in milliseconds. */
export const LIMIT_MS = 15_000;
const PAUSE_MS = 100;

/**
 * Asks `probe` until it returns something truthy, and returns that.
 *
 * @template T
 * @param {string} what what is awaited, for the message when it does not come
 * @param {() => T | Promise<T>} probe
 * @param {number} [limitMs]
 * @returns {Promise<T>}
 */
export async function until(what, probe, limitMs = LIMIT_MS) {
  const deadline = performance.now() + limitMs;
  let last;
  for (;;) {
    try {
      last = await probe();
      if (last) return last;
    } catch (error) {
      // A page that is just navigating cannot answer; what it says last counts.
      last = error;
    }
    if (performance.now() > deadline) {
      throw new Error(`not within ${limitMs} ms: ${what}; last seen: ${describe(last)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

/**
 * Waits until a counter has grown by at least `by`, from its first value.
 *
 * @param {string} what
 * @param {() => number | undefined | Promise<number | undefined>} counter
 * @param {{ by?: number, limitMs?: number }} [options]
 */
export async function advances(what, counter, { by = 1e-9, limitMs = LIMIT_MS } = {}) {
  /** @type {number | undefined} */
  let first;
  const seen = [];
  const describeSeen = () =>
    `${what} advances (seen ${seen.slice(0, 3).join(', ')} ... ${seen.at(-1)})`;
  try {
    return await until(
      what,
      async () => {
        const value = await counter();
        seen.push(value);
        if (value === undefined) return false;
        first ??= value;
        return value >= first + by;
      },
      limitMs,
    );
  } catch {
    throw new Error(`not within ${limitMs} ms: ${describeSeen()}`);
  }
}

/**
 * Waits until a counter has stood still for half a second; its value.
 *
 * @param {string} what
 * @param {() => number | Promise<number>} counter
 * @param {number} [limitMs]
 */
export async function stalls(what, counter, limitMs = LIMIT_MS) {
  let value = await counter();
  let since = performance.now();
  await until(
    `${what} stands still`,
    async () => {
      const next = await counter();
      if (next !== value) [value, since] = [next, performance.now()];
      return performance.now() - since > 500;
    },
    limitMs,
  );
  return value;
}

/** @param {unknown} value */
function describe(value) {
  if (value instanceof Error) return value.message;
  return JSON.stringify(value) ?? String(value);
}
