/** personality(2). */
export const PERSONALITY = { LINUX: 0, ADDR_NO_RANDOMIZE: 0x4_0000 } as const;
/** Asks for the personality and changes nothing. */
export const PERSONALITY_ASK = 0xffff_ffff;
