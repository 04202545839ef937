/** fsopen(2), fsconfig(2), fsmount(2). */
export const FSOPEN = { CLOEXEC: 0x1 } as const;
export const FSMOUNT = { CLOEXEC: 0x1 } as const;
export const FSCONFIG = { SET_FLAG: 0, SET_STRING: 1, CMD_CREATE: 6 } as const;
