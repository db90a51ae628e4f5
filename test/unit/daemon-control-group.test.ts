import { describe, expect, test } from "bun:test";
import { cpuList, groupBounds, groupFolders } from "../../src/daemon/control-group.ts";

const UNIFIED =
  "31 23 0:27 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate";
const V1 = `31 23 0:28 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755
32 31 0:29 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:11 - cgroup cgroup rw,cpu,cpuacct
34 31 0:31 / /sys/fs/cgroup/memory rw,relatime shared:12 - cgroup cgroup rw,memory
35 31 0:32 / /sys/fs/cgroup/pids rw,relatime shared:13 - cgroup cgroup rw,pids`;
const NOT_LIMITED = { cores: undefined, memoryBytes: undefined, tasks: undefined };

interface Sample {
  readonly cgroup: string;
  readonly mounts: string;
  /** What is read, by path; what is missing is not there. */
  readonly files: Readonly<Record<string, string>>;
}

const boundsOf = ({ cgroup, mounts, files }: Sample) =>
  groupBounds(groupFolders(cgroup, mounts), (path) => files[path]);

/** The values alone. */
function valuesOf(sample: Sample) {
  const { cores, memoryBytes, tasks } = boundsOf(sample);
  return [cores?.value, memoryBytes?.value, tasks?.value];
}

describe("version 2", () => {
  const service = "0::/system.slice/std-fpm.service\n";
  const slice = "/sys/fs/cgroup/system.slice";

  test("a service's limits are those of its group, and each says where it comes from", () => {
    const files = {
      [`${slice}/std-fpm.service/cpu.max`]: "50000 100000\n",
      [`${slice}/std-fpm.service/memory.max`]: "536870912\n",
      [`${slice}/std-fpm.service/pids.max`]: "512\n",
      [`${slice}/cpu.max`]: "max 100000\n",
      [`${slice}/memory.max`]: "max\n",
      [`${slice}/pids.max`]: "max\n",
    };
    expect(boundsOf({ cgroup: service, mounts: UNIFIED, files })).toEqual({
      cores: { value: 0.5, from: `${slice}/std-fpm.service/cpu.max` },
      memoryBytes: { value: 2 ** 29, from: `${slice}/std-fpm.service/memory.max` },
      tasks: { value: 512, from: `${slice}/std-fpm.service/pids.max` },
    });
  });

  test("of nested groups the smallest counts, whichever it is", () => {
    const files = {
      "/sys/fs/cgroup/a/b/c/cpu.max": "400000 100000",
      "/sys/fs/cgroup/a/b/cpu.max": "30000 20000",
      "/sys/fs/cgroup/a/cpu.max": "200000 100000",
      "/sys/fs/cgroup/a/memory.max": "1000000",
      "/sys/fs/cgroup/a/b/c/memory.max": "2000000",
    };
    const { cores, memoryBytes } = boundsOf({ cgroup: "0::/a/b/c\n", mounts: UNIFIED, files });
    expect(cores).toEqual({ value: 1.5, from: "/sys/fs/cgroup/a/b/cpu.max" });
    expect(memoryBytes).toEqual({ value: 1_000_000, from: "/sys/fs/cgroup/a/memory.max" });
  });

  test("in a container with a namespace of its own the root is its group", () => {
    const mounts = "1022 1021 0:27 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw";
    const files = { "/sys/fs/cgroup/cpu.max": "150000 100000\n", "/sys/fs/cgroup/memory.max": "268435456\n" };
    expect(valuesOf({ cgroup: "0::/\n", mounts, files })).toEqual([1.5, 2 ** 28, undefined]);
  });

  test("in a container without one what is mounted is a part of the host's tree", () => {
    const mounts = "700 699 0:27 /docker/0123abc /sys/fs/cgroup ro - cgroup2 cgroup rw";
    const files = { "/sys/fs/cgroup/pids.max": "100\n", "/sys/fs/cgroup/sub/pids.max": "50\n" };
    expect(valuesOf({ cgroup: "0::/docker/0123abc\n", mounts, files })[2]).toBe(100);
    expect(valuesOf({ cgroup: "0::/docker/0123abc/sub\n", mounts, files })[2]).toBe(50);
    // Another one that begins alike.
    expect(valuesOf({ cgroup: "0::/docker/0123abcsub\n", mounts, files })[2]).toBe(100);
  });

  test("names of the host that are not there in the container do no harm", () => {
    const files = { "/sys/fs/cgroup/memory.max": "1073741824" };
    const cgroup = "0::/kubepods.slice/kubepods-burstable.slice/cri-containerd-77.scope\n";
    expect(valuesOf({ cgroup, mounts: UNIFIED, files })[1]).toBe(2 ** 30);
  });

  test.each(["0::/../../elsewhere\n", "0::/..\n"])(
    "outside of the namespace (%j) nothing above the mount is read",
    (cgroup) => {
      const above = ["/sys/fs/cpu.max", "/sys/fs/cgroup/../cpu.max"].map((path) => [path, "1000 100000"]);
      const files = { "/sys/fs/cgroup/cpu.max": "100000 100000", ...Object.fromEntries(above) };
      expect(valuesOf({ cgroup, mounts: UNIFIED, files })[0]).toBe(1);
    },
  );

  test("a mount that is older than the namespace begins above it", () => {
    const mounts = "31 23 0:27 /../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw";
    const files = { "/sys/fs/cgroup/cpu.max": "300000 100000" };
    expect(valuesOf({ cgroup: "0::/\n", mounts, files })[0]).toBe(3);
  });

  test("of several mounts that which shows most of the groups above counts, and none of a stranger's", () => {
    const mounts = `50 23 0:27 /other /mnt/other rw - cgroup2 cgroup2 rw
51 23 0:27 /a/b /mnt/b rw - cgroup2 cgroup2 rw
52 23 0:27 /a /mnt/a rw - cgroup2 cgroup2 rw`;
    const files = { "/mnt/other/pids.max": "1", "/mnt/a/pids.max": "20", "/mnt/b/pids.max": "30" };
    expect(boundsOf({ cgroup: "0::/a/b\n", mounts, files }).tasks).toEqual({
      value: 20,
      from: "/mnt/a/pids.max",
    });
  });

  test("names with spaces and colons are read", () => {
    const mounts = "31 23 0:27 / /mnt/my\\040groups rw - cgroup2 cgroup2 rw";
    const files = { "/mnt/my groups/a:b c/pids.max": "77" };
    expect(valuesOf({ cgroup: "0::/a:b c\n", mounts, files })[2]).toBe(77);
  });
});

describe("version 1", () => {
  const cgroup = `12:pids:/docker/77
4:memory:/docker/77
3:cpu,cpuacct:/docker/77
1:name=systemd:/docker/77
`;

  test("each controller has a hierarchy and files of its own", () => {
    const files = {
      "/sys/fs/cgroup/cpu,cpuacct/docker/77/cpu.cfs_quota_us": "250000\n",
      "/sys/fs/cgroup/cpu,cpuacct/docker/77/cpu.cfs_period_us": "100000\n",
      "/sys/fs/cgroup/memory/docker/77/memory.limit_in_bytes": "134217728\n",
      "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
      "/sys/fs/cgroup/pids/docker/77/pids.max": "max\n",
      "/sys/fs/cgroup/pids/docker/pids.max": "300\n",
    };
    expect(boundsOf({ cgroup, mounts: V1, files })).toEqual({
      cores: { value: 2.5, from: "/sys/fs/cgroup/cpu,cpuacct/docker/77/cpu.cfs_quota_us" },
      memoryBytes: { value: 2 ** 27, from: "/sys/fs/cgroup/memory/docker/77/memory.limit_in_bytes" },
      tasks: { value: 300, from: "/sys/fs/cgroup/pids/docker/pids.max" },
    });
  });

  test("docker mounts the container's own groups, whose names are still the host's", () => {
    const mounts = V1.replaceAll(/ \/ (\/sys\/fs\/cgroup\/(?:memory|pids))/g, " /docker/77 $1");
    const files = {
      "/sys/fs/cgroup/memory/memory.limit_in_bytes": "67108864",
      "/sys/fs/cgroup/pids/pids.max": "64",
    };
    expect(valuesOf({ cgroup, mounts, files })).toEqual([undefined, 2 ** 26, 64]);
  });

  test("a controller that is not mounted sets no limit", () => {
    const mounts = V1.split("\n").slice(0, 2).join("\n");
    expect(boundsOf({ cgroup, mounts, files: {} })).toEqual(NOT_LIMITED);
  });
});

test("both versions side by side: the controllers are where they are mounted", () => {
  const mounts = `${V1}\n41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw`;
  const cgroup = `8:pids:/
4:memory:/user.slice/session-1.scope
3:cpu,cpuacct:/user.slice
0::/user.slice/session-1.scope
`;
  const files = {
    "/sys/fs/cgroup/cpu,cpuacct/user.slice/cpu.cfs_quota_us": "100000",
    "/sys/fs/cgroup/cpu,cpuacct/user.slice/cpu.cfs_period_us": "100000",
    "/sys/fs/cgroup/memory/user.slice/memory.limit_in_bytes": "500000000",
    "/sys/fs/cgroup/unified/user.slice/session-1.scope/pids.max": "99",
  };
  expect(valuesOf({ cgroup, mounts, files })).toEqual([1, 500_000_000, 99]);
});

describe("no limit", () => {
  test.each(["max", "-1", "0", "", "9e99", "12 monkeys", "0x10"])("is what %j says", (text) => {
    const files = {
      "/sys/fs/cgroup/memory.max": text,
      "/sys/fs/cgroup/pids.max": text,
      "/sys/fs/cgroup/cpu.max": `${text} 100000`,
    };
    expect(boundsOf({ cgroup: "0::/\n", mounts: UNIFIED, files })).toEqual(NOT_LIMITED);
  });

  test.each(["100000", "100000 0", "100000 x", "100000 -5"])("is a cpu.max of %j", (text) => {
    const files = { "/sys/fs/cgroup/cpu.max": text };
    expect(boundsOf({ cgroup: "0::/\n", mounts: UNIFIED, files })).toEqual(NOT_LIMITED);
  });

  test.each([
    ["-1", "100000"],
    ["50000", undefined],
    [undefined, "100000"],
  ])("is a quota of %p in a period of %p", (quota, period) => {
    const folder = "/sys/fs/cgroup/cpu,cpuacct";
    const files = {
      ...(quota === undefined ? {} : { [`${folder}/cpu.cfs_quota_us`]: quota }),
      ...(period === undefined ? {} : { [`${folder}/cpu.cfs_period_us`]: period }),
    };
    expect(boundsOf({ cgroup: "3:cpu,cpuacct:/\n", mounts: V1, files })).toEqual(NOT_LIMITED);
  });

  test.each([
    ["", ""],
    ["0::/\n", ""],
    ["", UNIFIED],
    ["not a table", "nor this"],
    ["0::relative\n:::\n7:memory\n", `${UNIFIED}\n31 23 - cgroup2\n - \n`],
  ])("is in texts that say nothing: %j, %j", (cgroup, mounts) => {
    expect(boundsOf({ cgroup, mounts, files: {} })).toEqual(NOT_LIMITED);
  });
});

describe("a list of CPUs", () => {
  test.each<[string, number[] | undefined]>([
    ["0\n", [0]],
    ["0-3", [0, 1, 2, 3]],
    ["0-1,4,6-7\n", [0, 1, 4, 6, 7]],
    ["3-1", []],
    ["", undefined],
    ["all", undefined],
    ["0-99999999999", undefined],
  ])("%j", (text, expected) => {
    expect(cpuList(text)).toEqual(expected && new Set(expected));
  });
});
