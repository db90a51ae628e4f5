import { describe, expect, test } from "bun:test";
import {
  type Confinement,
  chainFailure,
  chainOf,
  decidesWhatIsLoaded,
  handOver,
  isComplaint,
  TOOL_NAMES,
  toolsOf,
} from "../../src/start/chain.ts";

const TOOLS = { prlimit: "/prlimit", nice: "/nice", setpriv: "/setpriv", env: "/env" };
const NOTHING: Confinement = {
  runner: undefined,
  cwd: "/srv",
  limits: {},
  softNofile: undefined,
  raisesNproc: false,
  nice: 0,
  noNewPrivileges: false,
  dropsCapabilities: false,
  endsWithUs: false,
};
const RUNNER = { uid: 33, gid: 34, groups: [34, 50], account: undefined };
const chain = (changes: Partial<Confinement>) => chainOf({ ...NOTHING, ...changes }, TOOLS).join(" ");

describe("the chain of tools", () => {
  test.each<[string, Partial<Confinement>, string]>([
    ["is empty where nothing is to be set", {}, ""],
    ["ends a program with us", { endsWithUs: true }, "/setpriv --pdeathsig=KILL --"],
    [
      "makes it the user's when all else is set, which the user can't hinder then",
      { runner: RUNNER, softNofile: 1024 },
      "/prlimit --nofile=1024: -- /setpriv --reuid=33 --regid=34 --groups=34,50 --inh-caps=-all --ambient-caps=-all --",
    ],
    [
      "clears the groups of a user who has none",
      { runner: { ...RUNNER, groups: [] }, softNofile: 512 },
      "/prlimit --nofile=512: -- /setpriv --reuid=33 --regid=34 --clear-groups --inh-caps=-all --ambient-caps=-all --",
    ],
    [
      "sets the number of processes when it is the user's, and keeps a capability until then",
      {
        runner: { ...RUNNER, groups: [] },
        limits: { nofile: 20, nproc: 7 },
        noNewPrivileges: true,
        endsWithUs: true,
      },
      "/prlimit --nofile=20:20 -- /setpriv --reuid=33 --regid=34 --clear-groups --inh-caps=-all,+setuid --ambient-caps=-all,+setuid -- /prlimit --nproc=7:7 -- /setpriv --inh-caps=-all --ambient-caps=-all --no-new-privs --pdeathsig=KILL --",
    ],
    [
      "raises that as root first",
      { runner: { ...RUNNER, groups: [] }, limits: { nproc: 7 }, raisesNproc: true },
      "/prlimit --nproc=7:7 -- /setpriv --reuid=33 --regid=34 --clear-groups --inh-caps=-all,+setuid --ambient-caps=-all,+setuid -- /prlimit --nproc=7:7 -- /setpriv --inh-caps=-all --ambient-caps=-all --",
    ],
    [
      "sets limits, soft and hard",
      { limits: { nofile: 64, nproc: 7, core: 0, as: 2 ** 31, cpu: 9 }, softNofile: 1024 },
      "/prlimit --nofile=64:64 --nproc=7:7 --core=0:0 --as=2147483648:2147483648 --cpu=9:9 --",
    ],
    [
      "sets limits as root, before all else",
      { limits: { nofile: 9999 }, nice: -5, endsWithUs: true },
      "/prlimit --nofile=9999:9999 -- /nice -n -5 -- /setpriv --pdeathsig=KILL --",
    ],
    [
      "ends inherited capabilities and new privileges",
      { dropsCapabilities: true, noNewPrivileges: true },
      "/setpriv --inh-caps=-all --ambient-caps=-all --no-new-privs --",
    ],
  ])("%s", (_what, changes, expected) => {
    expect(chain(changes)).toBe(expected);
  });
});

describe("variables that decide what is loaded", () => {
  test("are those by which libraries, modules and messages are found", () => {
    const named = ["LD_PRELOAD=/a", "LD_LIBRARY_PATH=a:", "GLIBC_TUNABLES=x", "GCONV_PATH=/a", "LOCPATH=/a"];
    const paths = [
      "LANG=../a",
      "LC_ALL=de_DE",
      "LANGUAGE=de",
      "LC_ALL=/a/b",
      "LC_MESSAGES=/a",
      "LANGUAGE=../../a",
    ];
    expect([...named, ...paths, "NLSPATH="].every(decidesWhatIsLoaded)).toBe(true);
    const others = [
      "LANG=C.UTF-8",
      "LC_ALL=C",
      "LC_MESSAGES=POSIX",
      "LANG=",
      "LDX_A=1",
      "OLD_LD_PRELOAD=1",
      "PATH=/a",
      "A=LD_PRELOAD=/a",
      // A secret may have any name, and the command line is everybody's to read.
      "LD_SDK_KEY=sdk-0815",
      "LC_TOKEN=a/b",
    ];
    expect(others.filter(decidesWhatIsLoaded)).toEqual([]);
  });

  test("are handed over last, and a file with a = in its path is not taken for one", () => {
    expect(handOver(NOTHING, [], "/a", TOOLS)).toEqual([]);
    expect(handOver(NOTHING, ["LD_X=1"], "/a", TOOLS).join(" ")).toBe("/env -- LD_X=1");
    expect(handOver(NOTHING, ["LD_X=1", "LD_Y=2"], "/a=b", TOOLS).join(" ")).toBe(
      "/env -- LD_X=1 LD_Y=2 /nice -n 0 --",
    );
  });

  test("come with the working folder, which another user's program enters as that user", () => {
    const runners = { ...NOTHING, runner: RUNNER };
    expect(handOver(runners, [], "/a", TOOLS).join(" ")).toBe("/env -C /srv --");
    expect(handOver(runners, ["LD_X=1"], "/a=b", TOOLS).join(" ")).toBe(
      "/env -C /srv -- LD_X=1 /nice -n 0 --",
    );
  });
});

describe("what a tool of the chain says when it fails", () => {
  test.each([
    ["setpriv: failed to execute /a.fcgi: No such file or directory", 127, "ENOENT", undefined],
    ["prlimit: failed to execute /a.fcgi: Permission denied", 126, "EACCES", undefined],
    ["prlimit: failed to execute /a: b: Exec format error", 126, "ENOEXEC", undefined],
    ["setpriv: failed to execute /a: Argument list too long", 126, "E2BIG", undefined],
    ["setpriv: failed to execute /a: Something of its own", 126, "", undefined],
    [
      "prlimit: failed to set the NPROC resource limit: Operation not permitted",
      1,
      "EPERM",
      "limits.nproc cannot be set: Operation not permitted; only root with CAP_SYS_RESOURCE, which containers lack, may raise a hard limit",
    ],
    [
      "/usr/bin/nice: cannot set niceness: Permission denied",
      126,
      "EACCES",
      "nice cannot be set: Permission denied",
    ],
    ["/usr/bin/nice: '/usr/bin/setpriv': No such file or directory", 127, "ENOENT", undefined],
    ["/usr/bin/env: \u2018/a.fcgi\u2019: No such file or directory", 127, "ENOENT", undefined],
    ["/bin/env: '/a.fcgi': Permission denied", 126, "EACCES", undefined],
    [
      "/usr/bin/env: cannot change directory to '/srv/a: b': Permission denied",
      125,
      "EACCES",
      "its working folder /srv/a: b may not be entered",
    ],
    [
      "/usr/bin/env: cannot change directory to \u2018/srv/\u2019: No such file or directory",
      125,
      "ENOENT",
      "its working folder /srv/ is missing",
    ],
    [
      "setpriv: setresuid failed: Operation not permitted",
      127,
      "EPERM",
      "its user, groups or capabilities cannot be set: setresuid failed: Operation not permitted",
    ],
  ])("%s", (line, status, errno, problem) => {
    expect(isComplaint(line, TOOL_NAMES)).toBe(true);
    expect(chainFailure(line, status)).toEqual({ errno, problem });
  });

  test("is believed of those alone that were called", () => {
    const line = "setpriv: setresuid failed: Operation not permitted";
    const front = ["/usr/bin/prlimit", "--nofile=1024:", "--", "/usr/bin/env", "-C", "/srv", "--"];
    expect(toolsOf(front)).toEqual(["prlimit", "env"]);
    expect(isComplaint(line, toolsOf(front))).toBe(false);
    expect(isComplaint(line, toolsOf([...front, "/usr/bin/setpriv", "--"]))).toBe(true);
    expect(isComplaint("", TOOL_NAMES)).toBe(false);
  });

  test.each([
    ["the program ended otherwise", "setpriv: failed to execute /a: Permission denied", 0],
    ["it was killed", "setpriv: failed to execute /a: Permission denied", null],
    ["the program said something else", "perl: failed to execute /a: Permission denied", 127],
    ["nobody said anything", "", 127],
    [
      "a script said it, which calls tools by their names",
      "env: \u2018/opt/server\u2019: No such file or directory",
      127,
    ],
    ["a script said it, which may not be nicer", "nice: cannot set niceness: Permission denied", 126],
    ["it was the command of a #! line", "/usr/bin/env: \u2018perl6\u2019: No such file or directory", 127],
  ])("is not believed where %s", (_what, line, status) => {
    expect(chainFailure(line, status)).toBeUndefined();
  });
});
