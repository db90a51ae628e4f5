import { dlopen, type FFIFunction } from "bun:ffi";

/** Set by build.ts for an executable with another C library than glibc. */
declare const C_LIBRARY: string | undefined;

/** By its name for the dynamic linker (ld.so(8)); the one place that has it. */
const FILE = typeof C_LIBRARY === "string" ? C_LIBRARY : "libc.so.6";

/**
 * Functions of the C library, called by FFI: each module names those that it needs, and how they are called. Nothing is loaded before the first
 * call of what this returns.
 */
export function cLibrary<Symbols extends Record<string, FFIFunction>>(symbols: Symbols) {
  let loaded: ReturnType<typeof dlopen<Symbols>>["symbols"] | undefined;
  return () => {
    loaded ??= dlopen(FILE, symbols).symbols;
    return loaded;
  };
}
