/** Levels of the log: each writes its lines and those of the levels before it; `silent` writes none. */
export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'silent'] as const;
