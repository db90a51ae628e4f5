/** Tests that say something of the emulator and nothing of std-fpm. */
export interface LeftOut {
  /** What qemu-user 7.2 does not do, or does otherwise. */
  readonly reason: string;
  /** By the file, without its ending: parts of the names, as its text has them. */
  readonly tests: Readonly<Record<string, readonly string[]>>;
}

/** What `make test-arm64` leaves out. */
export const LEFT_OUT: readonly LeftOut[] = [
  {
    reason:
      "vfork(2) is a fork(2): posix_spawn(3) does not hear why its execve(2) failed, and the child ends with status 127",
    tests: {
      cgi: ["to start is a 502 that says why, and does not close the site"],
      "cgi-output": ["that the system does not take is the client's 431, and no failed start"],
      "upgrade-start": ["is not executable"],
    },
  },
  {
    reason: "netlink has no sock_diag(7): the other end of a Unix socket is not known",
    tests: {
      limits: ["lets a client go on that takes less at a time than the kernel tells of"],
      "slow-log": ["names the server that its program waits for, by TCP and over a Unix socket"],
    },
  },
  {
    reason: "the first request of a process takes so long that it is slow before it is in the program",
    tests: {
      "slow-log": ["says that its program sleeps, and later how it ended, without its query"],
    },
  },
];
