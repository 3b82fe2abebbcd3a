/** CPU time of this process, ms. Unlike wall time, it does not contain the work of other processes. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
