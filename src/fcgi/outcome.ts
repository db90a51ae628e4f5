import type { FpmError } from "../base/errors.ts";

/**
 * How a request ended; every request ends in exactly one.
 *
 * - `answered`: the program's END_REQUEST reached the client's side, or that of a page of std-fpm's own.
 * - `refused`: std-fpm answered itself, no program saw the request or none could finish it.
 * - `truncated`: the program's answer broke off after a part of it had been handed on.
 * - `client-left`: nobody was there any more to take the answer.
 */
export type Outcome =
  | {
      readonly kind: "answered";
      readonly appStatus: number;
      readonly protocolStatus: number;
      /** What the program's header says, of HTTP; undefined of a page of our own. */
      readonly status?: number | undefined;
    }
  | { readonly kind: "refused"; readonly error: FpmError }
  | { readonly kind: "truncated"; readonly error: FpmError }
  | { readonly kind: "client-left" };
