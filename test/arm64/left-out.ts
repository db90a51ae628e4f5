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
      tracer: ["a tracer that cannot be started, fails, or floods the log harms nobody"],
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
    reason:
      "what is in flight has ended when the new one serves: the second SIGTERM comes right behind the first, and they are one",
    tests: {
      upgrade: ["to the old one that finishes its requests does not cut them short, a second one does"],
    },
  },
  {
    reason:
      "a start, a request and a look at a process take longer than the parts of a second that these tests count on",
    tests: {
      limits: [
        "holds for each head by itself, also while others come and go",
        "is never more than descriptors allow: no connection is lost, and nothing spins",
      ],
      "slow-log": [
        "says that its program sleeps, and later how it ended, without its query",
        "of a request in the queue says who is in its way, and at the end how long it waited",
        "of one that waits for its program to start says what that does",
        "of many slow requests a few are reported and the rest is counted; a fast program beside them stays fast",
        "shows control characters of a path, and cannot be forged",
        "a request that ends while its process is looked at has one report, at its end",
      ],
    },
  },
];
