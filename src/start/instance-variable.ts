/** In every program's environment: whose child it is, for the next start after a crash of the daemon. */
export const INSTANCE_VARIABLE = "STD_FPM_INSTANCE";
