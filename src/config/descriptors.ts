/** Descriptors that a process of a program takes: its listening socket, its connection, a pidfd, and two pipes. */
export const DESCRIPTORS_PER_PROCESS = 5;
/** Descriptors for the daemon itself, for starts, and for connections that wait for a place. */
export const DESCRIPTORS_RESERVED = 100;
