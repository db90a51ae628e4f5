/**
 * Descriptors that a process of a program takes: its listening socket, its connection, a pidfd, and two pipes, each of which the runtime duplicates to
 * read it (Bun 1.4.5).
 */
export const DESCRIPTORS_PER_PROCESS = 7;
/** Descriptors for the daemon itself, for starts, and for connections that wait for a place. */
export const DESCRIPTORS_RESERVED = 80;
