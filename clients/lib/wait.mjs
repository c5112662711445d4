// Waiting for events with a deadline; nothing here sleeps to let something happen.

/** Rejects when `promise` takes longer than `ms`. */
export function within(ms, what, promise) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what}`)), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/**
 * Waits until `condition()` is true, asking again after each event of `sources`, a list of
 * `[emitter, event]`. On the deadline it rejects with `what()`, so that the message can say how far
 * it came.
 */
export function until(condition, sources, ms, what) {
  return new Promise((resolve, reject) => {
    const end = (settle) => {
      clearTimeout(timer);
      for (const [emitter, event] of sources) emitter.off(event, look);
      settle();
    };
    const look = () => {
      let met = false;
      try {
        met = condition();
      } catch (error) {
        end(() => reject(error));
        return;
      }
      if (met) end(resolve);
    };
    const timer = setTimeout(() => {
      end(() => reject(new Error(`not within ${ms} ms: ${what()}`)));
    }, ms);
    for (const [emitter, event] of sources) emitter.on(event, look);
    look();
  });
}

/** Lets `ms` pass: for a load that goes on meanwhile, or where a promise speaks of time. */
export function pass(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
