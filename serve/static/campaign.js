'use strict';
// The runs of a campaign: searched, filtered and sorted. What is shown stands in the address.
(() => {
  const $ = id => document.getElementById(id), form = $('filter'), body = $('runs').tBodies[0], rows = [...body.rows];
  const columns = [...$('runs').tHead.rows[0].cells].map(th => th.querySelector('[data-sort]')?.dataset.sort), ranks = { invalid: 0, unknown: 1, valid: 2 };
  const cell = (row, by) => row.cells[columns.indexOf(by)].textContent;
  const number = text => parseFloat(text.replace(/[^\d.-]/g, '')) || 0;
  // Times have units: 1m2.5s, 310ms.
  const seconds = text => [...text.matchAll(/([\d.]+)(h|ms|m|s|µs|ns)/g)].reduce((sum, [, n, unit]) => sum + n * { h: 3600, m: 60, s: 1, ms: 1e-3, 'µs': 1e-6, ns: 1e-9 }[unit], 0);
  const value = { verdict: row => ranks[cell(row, 'verdict')] ?? 3, seed: row => BigInt(cell(row, 'seed')), run: row => number(cell(row, 'run')), operations: row => number(cell(row, 'operations')), took: row => seconds(cell(row, 'took')) };
  rows.forEach((row, i) => { row.dataset.at = i; row.said = row.textContent.toLowerCase(); });

  let state = new URLSearchParams(location.hash.slice(1));
  const show = () => {
    for (const c of form.elements) if (c.name && document.activeElement !== c) c.value = state.get(c.name) || '';
    const [, down, by] = /^(-?)(\w+)$/.exec(state.get('sort') || '') || ['', '', ''];
    for (const b of document.querySelectorAll('[data-sort]')) {
      const th = b.closest('th');
      if (b.dataset.sort === by) th.setAttribute('aria-sort', down ? 'descending' : 'ascending'); else th.removeAttribute('aria-sort');
    }
    const q = (state.get('q') || '').toLowerCase();
    const found = rows.filter(r => r.said.includes(q) && ['verdict', 'version', 'workload', 'faults'].every(k => !state.get(k) || cell(r, k) === state.get(k)));
    const order = r => value[by] ? value[by](r) : columns.includes(by) ? cell(r, by) : Number(r.dataset.at);
    found.sort((a, b) => {
      const x = order(a), y = order(b), c = typeof x === 'string' ? x.localeCompare(y, undefined, { numeric: true }) : x < y ? -1 : x > y ? 1 : 0;
      return (down ? -c : c) || a.dataset.at - b.dataset.at;
    });
    body.replaceChildren(...found);
    $('count').textContent = found.length === rows.length ? `${rows.length.toLocaleString('en')} run${rows.length === 1 ? '' : 's'}` : `${found.length.toLocaleString('en')} of ${rows.length.toLocaleString('en')} runs`;
  };
  const go = (name, wanted) => {
    if (wanted) state.set(name, wanted); else state.delete(name);
    history.replaceState(null, '', state.size ? '#' + state : location.pathname);
    show();
  };
  for (const name of ['verdict', 'version', 'workload', 'faults']) {
    for (const v of [...new Set(rows.map(r => cell(r, name)))].filter(v => v).sort()) {
      const option = document.createElement('option');
      option.textContent = option.value = v;
      form.elements[name].append(option);
    }
  }
  form.addEventListener('submit', e => e.preventDefault());
  form.addEventListener('input', e => go(e.target.name, e.target.value));
  for (const b of document.querySelectorAll('[data-sort]')) b.addEventListener('click', () => go('sort', state.get('sort') === b.dataset.sort ? '-' + b.dataset.sort : b.dataset.sort));
  addEventListener('hashchange', () => { state = new URLSearchParams(location.hash.slice(1)); show(); });
  show();
  document.body.dataset.loaded = 'yes';
})();
