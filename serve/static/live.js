'use strict';
(() => {
  const $ = id => document.getElementById(id);
  const count = n => Math.round(n).toLocaleString('en'), seconds = ns => (ns / 1e9).toFixed(0) + ' s';
  const rates = []; // seconds of the test, operations a second, faults in force

  const facts = t => {
    const list = { name: t.name, system: t.system, cluster: t.cluster, nodes: (t.nodes || []).join(' '), workload: t.workload, faults: (t.faults || []).join(', '),
      clients: t.clients, rate: t.rate ? t.rate + ' operations a second' : 'as fast as answers come', seed: t.seed, 'seeded bug': t.mutant };
    $('test').replaceChildren(...Object.entries(list).filter(([, v]) => v).flatMap(([k, v]) => {
      const dt = document.createElement('dt'), dd = document.createElement('dd');
      dt.textContent = k;
      dd.textContent = v;
      return [dt, dd];
    }));
    $('what').textContent = [t.workload, t.cluster, (t.faults || []).join(', ')].filter(v => v).join(' · ');
  };
  const chips = faults => {
    $('faults').replaceChildren(...(faults && faults.length ? faults : ['none']).map(f => {
      const li = document.createElement('li');
      li.textContent = f;
      li.className = f === 'none' ? 'none' : 'chip ' + f.split(/[ :]/)[0].replace(/\W/g, '');
      return li;
    }));
  };
  const draw = () => {
    const canvas = $('rates'), pen = canvas.getContext('2d'), ratio = devicePixelRatio || 1, w = canvas.clientWidth, h = canvas.clientHeight;
    canvas.width = w * ratio;
    canvas.height = h * ratio;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    const style = getComputedStyle(document.documentElement), colour = name => style.getPropertyValue('--' + name).trim();
    if (!rates.length) return;
    const from = rates[0].at, to = Math.max(rates.at(-1).at, from + 10), top = Math.max(10, ...rates.map(r => r.rate)) * 1.1, left = 52;
    const x = at => left + (at - from) / (to - from) * (w - left), y = rate => 6 + (h - 26) * (1 - rate / top);
    pen.font = '11px system-ui, sans-serif';
    pen.fillStyle = colour('quiet');
    pen.textAlign = 'right';
    for (const share of [0, 0.5, 1]) {
      pen.fillText(count(top * share / 1.1), left - 6, y(top * share / 1.1) + 4);
      pen.globalAlpha = 0.3;
      pen.fillRect(left, y(top * share / 1.1), w - left, 1);
      pen.globalAlpha = 1;
    }
    pen.textAlign = 'center';
    for (let n = 0; n <= 4; n++) pen.fillText((from + (to - from) * n / 4).toFixed(1) + ' s', Math.min(x(from + (to - from) * n / 4), w - 14), h - 4);
    pen.fillStyle = colour('kill');
    pen.globalAlpha = 0.16;
    for (let i = 1; i < rates.length; i++) if (rates[i].faults) pen.fillRect(x(rates[i - 1].at), 6, x(rates[i].at) - x(rates[i - 1].at), h - 26);
    pen.globalAlpha = 1;
    pen.strokeStyle = colour('ok');
    pen.lineWidth = 2;
    pen.beginPath();
    rates.forEach((r, i) => i ? pen.lineTo(x(r.at), y(r.rate)) : pen.moveTo(x(r.at), y(r.rate)));
    pen.stroke();
  };

  const stream = new EventSource(location.pathname + 'live');
  stream.onmessage = e => {
    const now = JSON.parse(e.data);
    $('name').textContent = now.name;
    document.title = now.name;
    if (now.test) facts(now.test);
    if (now.state !== 'running') {
      stream.close();
      document.body.dataset.state = now.state;
      $('phase').textContent = now.state === 'over' ? 'Over: ' + now.verdict : 'Ended without a verdict';
      location.reload(); // the same address is now that of its report
      return;
    }
    const p = now.progress;
    if (!p) return;
    $('phase').textContent = p.phase;
    const share = p.duration_ns ? Math.min(1, p.elapsed_ns / p.duration_ns) : 0;
    $('far').value = share;
    $('far-text').textContent = p.duration_ns ? `${seconds(p.elapsed_ns)} of ${seconds(p.duration_ns)}` : '';
    $('rate').textContent = count(p.per_second);
    for (const k of ['ok', 'fail', 'info']) $(k).textContent = count(p[k]);
    $('leader').textContent = p.leader || 'none';
    chips(p.faults);
    const at = p.elapsed_ns / 1e9;
    if (p.duration_ns && (!rates.length || at > rates.at(-1).at)) rates.push({ at, rate: p.per_second, faults: (p.faults || []).length });
    if (rates.length > 2000) rates.splice(0, 1000);
    draw();
    document.body.dataset.state = 'running';
  };
  addEventListener('resize', draw);
})();
