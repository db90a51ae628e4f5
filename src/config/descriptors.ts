/** Descriptors that a process of a program takes: its listening socket, its connection, two pipes. */
export const DESCRIPTORS_PER_PROCESS = 4;
/** Descriptors for the daemon itself. */
export const DESCRIPTORS_RESERVED = 64;
