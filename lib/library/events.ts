/**
 * What a Guest tells whoever listens, and what it can be found to do.
 *
 * @module
 */
/** Why a Guest stopped: it powered itself off, `Guest.stop()` was called, or it could not go on. */
export type ExitReason =
  | { readonly kind: "poweroff" }
  | { readonly kind: "terminated" }
  | { readonly kind: "died"; readonly message: string }
  /** Of an lguest Guest: the Host's reason, or the Guest's last words. */
  | { readonly kind: "crashed"; readonly message: string };

/** What a Guest does. */
export type GuestState = "running" | "paused" | "stopped";

/** The events of a Guest, by name. */
export interface GuestEventMap {
  /** It has asked for a reset and is being loaded again. */
  readonly reboot: Event;
  /** It stands still; see `Guest.pause`. */
  readonly pause: Event;
  /** It goes on. */
  readonly resume: Event;
  /** It has stopped, and everything is closed; `detail` is why. (A defect of this program only rejects `exited`.) */
  readonly stop: CustomEvent<ExitReason>;
  /** `detail` is a line about what does not work as it should, though the Guest goes on. */
  readonly warning: CustomEvent<string>;
  /** `detail` is a line about what is done; only with `verbose`. */
  readonly log: CustomEvent<string>;
}
