/** Pure: lines of /proc/pid/mountinfo (proc_pid_mountinfo(5)). */

/** One mount as a process sees it. */
export interface MountLine {
  readonly id: number;
  readonly parent: number;
  /** Which directory of the file system is mounted. */
  readonly root: string;
  readonly point: string;
  readonly type: string;
}

/** Every mount in the order of the file; lines that are none are passed over. */
export function mountsIn(mountinfo: string): MountLine[] {
  return mountinfo.split("\n").flatMap((line): MountLine[] => {
    const fields = line.split(" ");
    const dash = fields.indexOf("-", 6);
    const [id, parent, , root, point] = fields;
    const type = fields[dash + 1];
    if (dash < 0 || root === undefined || !point?.startsWith("/") || type === undefined) return [];
    return [{ id: Number(id), parent: Number(parent), root: unescape(root), point: unescape(point), type }];
  });
}

/** Space, tab, newline and backslash are written as three octal digits. */
function unescape(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
