/** struct sockaddr_un holds 108 bytes with the closing NUL (unix(7)). */
export const MAX_SOCKET_PATH_BYTES = 107;
