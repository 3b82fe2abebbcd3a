/** What this process has computed, ms. What other processes of the machine do is in wall time, and not in this. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
