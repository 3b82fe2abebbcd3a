import { spawn, spawnSync } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { families } from '../../admin/metrics/families.js';
import { killAtExit } from '../child-processes.js';
import { findOrInstall } from '../debian-package.js';
import { freePort } from '../free-port.js';
import { startProcess } from '../gateway-process.js';
import { until } from '../until.js';

/** The files for Prometheus and Grafana in docs/deploy/prometheus, tried with the Prometheus of Debian. */

const folder = fileURLToPath(new URL('../../../docs/deploy/prometheus', import.meta.url));
const alerts = readFileSync(join(folder, 'encke-alerts.yaml'), 'utf8');
const dashboard = JSON.parse(readFileSync(join(folder, 'grafana-dashboard.json'), 'utf8')) as {
  panels: { title: string; targets: { expr: string }[] }[];
};
const ofPanels = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
const ofAlerts = [...alerts.matchAll(/^ +expr: (.*)$/gm)].map(([, expr]) => expr!);

t.test('alerts, the dashboard and the guide name only metrics that there are', async (t) => {
  const known = new Set<string>();
  for (const { name, type } of families) {
    const suffixes = { counter: ['_total'], histogram: ['_bucket'], info: ['_info'], gauge: [''] }[type];
    for (const suffix of suffixes) known.add(`encke_${name}${suffix}`);
  }
  const guide = readFileSync(join(folder, '../../operations.md'), 'utf8');
  const named = [...ofPanels, ...ofAlerts].flatMap((expr) => expr.match(/\bencke_\w+/g) ?? []);
  t.ok(named.length > 40, `${named.length} names`);
  for (const name of named) t.ok(known.has(name), name);
  const ofGuide = [...guide.matchAll(/\bencke_[a-z_]+\b(?=[{[(`,)]|$)/gm)].map(([name]) => name);
  const functions = /^encke_(send|ids|stats|nodes|events)\w*$/;
  for (const name of ofGuide.filter((one) => !functions.test(one)))
    t.ok(known.has(name) || known.has(`${name}_bucket`), `operations.md: ${name}`);
});

t.test('a Prometheus scrapes a gateway, and takes each expression and each alert', async (t) => {
  const [prometheus, promtool] = [
    await findOrInstall('prometheus', 'prometheus'),
    await findOrInstall('promtool', 'prometheus'),
  ];
  for (const found of [prometheus, promtool])
    if ('missing' in found) return void t.comment(`NOT TRIED WITH PROMETHEUS: ${found.missing}`);
  const gateway = await startProcess({ flags: ['--admin-port', '0'] });
  t.teardown(() => gateway.kill());
  const directory = t.testdir();
  cpSync(folder, directory, { recursive: true });
  const file = join(directory, 'prometheus.yaml');
  const configuration = readFileSync(file, 'utf8').replace('scrape_interval: 15s', 'scrape_interval: 1s');
  writeFileSync(file, configuration.replace('127.0.0.1:8002', new URL(gateway.adminUrl).host));
  const checked = spawnSync((promtool as { path: string }).path, ['check', 'config', file], {
    encoding: 'utf8',
  });
  t.equal(checked.status, 0, checked.stdout + checked.stderr);

  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn(
    (prometheus as { path: string }).path,
    [
      `--config.file=${file}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=${address}`,
    ],
    { cwd: dirname(file), stdio: 'ignore' },
  );
  killAtExit(child);
  t.teardown(() => child.kill('SIGKILL'));
  const query = async (expr: string) => {
    const response = await fetch(`http://${address}/api/v1/query?query=${encodeURIComponent(expr)}`);
    return (await response.json()) as { status: string; error?: string; data: { result: unknown[] } };
  };
  await until('it has scraped the gateway', async () => {
    const answer = await query('encke_uptime_seconds').catch(() => undefined);
    return answer !== undefined && answer.data.result.length === 1;
  });
  t.match(await query('up{job="encke"}'), { data: { result: [{ value: [Number, '1'] }] } });
  for (const expr of ofPanels) {
    const plain = expr.replaceAll('$__rate_interval', '1m').replaceAll('$instance', '.*');
    t.match(await query(plain), { status: 'success' }, expr);
  }
  const rules = (await (await fetch(`http://${address}/api/v1/rules`)).json()) as {
    data: { groups: { rules: { name: string; health: string }[] }[] };
  };
  t.equal(rules.data.groups[0]!.rules.length, ofAlerts.length);
});
