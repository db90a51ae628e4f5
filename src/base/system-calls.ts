/** What a process that sits in a system call waits for. */
export type Waiting =
  | "sleep"
  | "lock"
  | "file lock"
  | "input"
  | "output"
  | "any"
  | "connection"
  | "accept"
  | "child"
  | "signal"
  | "message"
  | "file system";

export interface SystemCall {
  readonly name: string;
  readonly waiting: Waiting;
  /** Its first argument is a descriptor. */
  readonly hasFd: boolean;
}

/** The calls that may take long: what for, and their numbers on x86-64 and arm64 (-1: not there). An asterisk: the first argument is a descriptor. */
const CALLS: readonly (readonly [name: string, waiting: Waiting, x64: number, arm64: number])[] = [
  ["*read", "input", 0, 63],
  ["*pread64", "input", 17, 67],
  ["*readv", "input", 19, 65],
  ["*recvfrom", "input", 45, 207],
  ["*recvmsg", "input", 47, 212],
  ["*write", "output", 1, 64],
  ["*writev", "output", 20, 66],
  ["*sendto", "output", 44, 206],
  ["*sendmsg", "output", 46, 211],
  ["*sendfile", "output", 40, 71],
  ["poll", "any", 7, -1],
  ["ppoll", "any", 271, 73],
  ["select", "any", 23, -1],
  ["pselect6", "any", 270, 72],
  ["epoll_wait", "any", 232, -1],
  ["epoll_pwait", "any", 281, 22],
  ["epoll_pwait2", "any", 441, 441],
  ["nanosleep", "sleep", 35, 101],
  ["clock_nanosleep", "sleep", 230, 115],
  ["*connect", "connection", 42, 203],
  ["*accept", "accept", 43, 202],
  ["*accept4", "accept", 288, 242],
  ["futex", "lock", 202, 98],
  ["futex_waitv", "lock", 449, 449],
  ["semop", "lock", 65, 193],
  ["semtimedop", "lock", 220, 192],
  ["*flock", "file lock", 73, 32],
  ["*fcntl", "file lock", 72, 25],
  ["wait4", "child", 61, 260],
  ["waitid", "child", 247, 95],
  ["pause", "signal", 34, -1],
  ["rt_sigsuspend", "signal", 130, 133],
  ["rt_sigtimedwait", "signal", 128, 137],
  ["msgrcv", "message", 70, 188],
  ["mq_timedreceive", "message", 243, 183],
  ["open", "file system", 2, -1],
  ["openat", "file system", 257, 56],
  ["stat", "file system", 4, -1],
  ["newfstatat", "file system", 262, 79],
  ["*getdents64", "file system", 217, 61],
  ["*fsync", "file system", 74, 82],
  ["*fdatasync", "file system", 75, 83],
  ["unlink", "file system", 87, -1],
  ["unlinkat", "file system", 263, 35],
  ["rename", "file system", 82, -1],
  ["renameat", "file system", 264, 38],
  ["renameat2", "file system", 316, 276],
  ["statx", "file system", 332, 291],
  ["execve", "file system", 59, 221],
];

/** Where in the kernel a process sits, when its call may not be read: the beginning of the function's name, underscores left out. */
const FUNCTIONS: readonly (readonly [start: string, waiting: Waiting])[] = [
  ["hrtimer_nanosleep", "sleep"],
  ["do_nanosleep", "sleep"],
  ["futex", "lock"],
  ["do_semtimedop", "lock"],
  ["do_semop", "lock"],
  ["locks_lock", "file lock"],
  ["flock", "file lock"],
  ["fcntl_setlk", "file lock"],
  ["posix_lock", "file lock"],
  ["pipe_read", "input"],
  ["anon_pipe_read", "input"],
  ["unix_stream_read", "input"],
  ["unix_stream_data_wait", "input"],
  ["wait_woken", "input"],
  ["sk_wait_data", "input"],
  ["skb_wait_for", "input"],
  ["skb_recv", "input"],
  ["tcp_recvmsg", "input"],
  ["pipe_write", "output"],
  ["anon_pipe_write", "output"],
  ["sock_alloc_send", "output"],
  ["sk_stream_wait", "output"],
  ["wait_for_space", "output"],
  ["poll_schedule", "any"],
  ["do_sys_poll", "any"],
  ["do_poll", "any"],
  ["do_select", "any"],
  ["ep_poll", "any"],
  ["do_epoll", "any"],
  ["inet_csk_accept", "accept"],
  ["unix_accept", "accept"],
  ["inet_wait_for_connect", "connection"],
  ["unix_wait_for_peer", "connection"],
  ["do_wait", "child"],
  ["kernel_wait4", "child"],
  ["sigsuspend", "signal"],
  ["do_sigtimedwait", "signal"],
  ["do_sys_pause", "signal"],
  ["x64_sys_pause", "signal"],
  ["do_msgrcv", "message"],
  ["wq_sleep", "message"],
  ["io_schedule", "file system"],
  ["folio_wait", "file system"],
  ["rpc_wait", "file system"],
  ["nfs", "file system"],
  ["request_wait_answer", "file system"],
  ["bit_wait_io", "file system"],
  ["wait_on_page", "file system"],
  ["jbd2_log_wait", "file system"],
  ["balance_dirty_pages", "file system"],
];

/** The call of that number on a processor as Bun names it; undefined when it is none that takes long. */
export function systemCall(processor: string, number: number): SystemCall | undefined {
  const at = processor === "arm64" ? 3 : 2;
  const found = CALLS.find((call) => call[at] === number);
  if (number < 0 || !found) return undefined;
  const [name, waiting] = found;
  return { name: name.replace("*", ""), waiting, hasFd: name.startsWith("*") };
}

/** What a process waits for that sits in this function of the kernel (/proc/PID/wchan). */
export function waitingIn(kernelFunction: string): Waiting | undefined {
  const name = kernelFunction.replace(/^_+/, "");
  return FUNCTIONS.find(([start]) => name.startsWith(start))?.[1];
}
