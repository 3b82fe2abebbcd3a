/**
 * Waits for a condition, and fails loudly with what it waited for. It looks every 5 ms, and less often the longer it has
 * waited: most conditions are requests, which keep others from working where the machine is busy.
 */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 30_000,
): Promise<void> {
  const startedMs = performance.now();
  while (!(await condition())) {
    const waitedMs = performance.now() - startedMs;
    if (waitedMs > timeoutMs) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, Math.min(50, Math.max(5, waitedMs / 20))));
  }
}
