'use strict';
(() => {
  const $ = id => document.getElementById(id);
  const element = (name, attributes = {}, ...children) => {
    const e = document.createElement(name);
    for (const [k, v] of Object.entries(attributes)) if (v !== undefined && v !== null && v !== false) e.setAttribute(k, v === true ? '' : v);
    e.append(...children);
    return e;
  };
  const address = (kind, path) => '/' + kind + '/' + path.split('/').map(encodeURIComponent).join('/') + (kind === 'run' ? '/' : '');
  const count = n => n.toLocaleString('en');
  const when = text => text && !text.startsWith('0001') ? text.replace('T', ' ').slice(0, 19) : '';
  const form = $('filter'), body = $('runs').tBodies[0], ranks = { running: 0, invalid: 1, broken: 2, unknown: 3, ended: 4, valid: 5 };
  const words = { ended: 'no verdict', broken: 'unreadable' };
  let all = { runs: [], campaigns: [] }, limit = 200, chosen = new Set();

  // The address holds the search, the filters and the order.
  let state = new URLSearchParams(location.hash.slice(1));
  const go = (name, value) => {
    if (value) state.set(name, value); else state.delete(name);
    history.replaceState(null, '', state.size ? '#' + state : location.pathname);
    limit = 200;
    show();
  };

  const text = r => [r.name, r.path, r.state, r.cluster, r.workload, (r.faults || []).join(' '), r.seed, r.mutant, r.reason].join('\n').toLowerCase();
  const value = (r, by) => by === 'state' ? ranks[r.state] : by === 'faults' ? (r.faults || []).join(',') : by === 'seed' || by === 'operations' ? r[by] : r[by] || '';
  const badge = r => {
    const e = element('span', { class: 'verdict ' + r.state }, words[r.state] || r.state);
    if (r.progress && r.progress.duration_ns) e.append(' ', element('progress', { max: r.progress.duration_ns, value: r.progress.elapsed_ns, 'aria-label': 'how far' }));
    return e;
  };
  const row = r => {
    const more = r.progress && r.progress.per_second ? `${r.progress.phase}, ${count(Math.round(r.progress.per_second))}/s` : r.reason || '';
    return element('tr', {}, element('td', {}, badge(r)),
      element('td', {}, element('a', { href: address('run', r.path) }, r.name || r.path), r.mutant ? element('small', {}, ' bug: ' + r.mutant) : ''),
      element('td', { class: 'when' }, when(r.started)), element('td', {}, r.cluster || ''), element('td', {}, r.workload || ''),
      element('td', {}, (r.faults || []).join(', ')), element('td', { class: 'n' }, count(r.operations)), element('td', { class: 'n' }, String(r.seed)),
      element('td', { class: 'why' }, more.length > 300 ? more.slice(0, 300) + '…' : more), element('td', {}, element('a', { href: address('run', r.path) + 'files' }, 'files')));
  };
  const show = () => {
    for (const c of form.elements) if (c.name && document.activeElement !== c) c.value = state.get(c.name) || '';
    const q = (state.get('q') || '').toLowerCase(), [, down, by] = /^(-?)(\w+)$/.exec(state.get('sort') || '-started') || ['', '-', 'started'];
    for (const b of document.querySelectorAll('[data-sort]')) {
      const th = b.closest('th');
      if (b.dataset.sort === by) th.setAttribute('aria-sort', down ? 'descending' : 'ascending'); else th.removeAttribute('aria-sort');
    }
    const found = all.runs.filter(r => (!q || text(r).includes(q)) && ['state', 'cluster', 'workload'].every(k => !state.get(k) || r[k] === state.get(k)));
    found.sort((a, b) => {
      const x = value(a, by), y = value(b, by), c = typeof x === 'number' ? x - y : String(x).localeCompare(String(y), undefined, { numeric: true });
      return (down ? -c : c) || b.started.localeCompare(a.started);
    });
    body.replaceChildren(...found.slice(0, limit).map(row));
    $('more').hidden = found.length <= limit;
    $('count').textContent = found.length === all.runs.length ? `${count(found.length)} run${found.length === 1 ? '' : 's'}` : `${count(found.length)} of ${count(all.runs.length)} runs`;
  };
  const campaigns = () => {
    $('campaigns').hidden = !all.campaigns.length;
    $('campaign-table').tBodies[0].replaceChildren(...all.campaigns.map(c => {
      const box = element('input', { type: 'checkbox', value: c.path, checked: chosen.has(c.path), 'aria-label': 'compare ' + c.name + ' ' + when(c.started) });
      const list = l => (l || []).slice(0, 6).join(', ') + ((l || []).length > 6 ? ' …' : '');
      return element('tr', {}, element('td', {}, box), element('td', {}, element('a', { href: address('campaign', c.path) }, c.name)), element('td', { class: 'when' }, when(c.started)),
        element('td', {}, c.problem || list(c.versions)), element('td', {}, list(c.workloads)), element('td', {}, list(c.faults)), element('td', { class: 'n' }, count(c.runs)),
        element('td', { class: c.invalid ? 'n bad' : 'n' }, count(c.invalid)), element('td', { class: 'n' }, count(c.unknown)),
        element('td', {}, element('a', { href: '/compare?c=' + encodeURIComponent(c.path) }, 'figures')));
    }));
    $('compare').disabled = chosen.size < 1;
  };
  $('campaign-table').addEventListener('change', e => {
    if (e.target.checked) chosen.add(e.target.value); else chosen.delete(e.target.value);
    $('compare').disabled = chosen.size < 1;
  });
  $('compare').addEventListener('click', () => { location.href = '/compare?' + [...chosen].map(c => 'c=' + encodeURIComponent(c)).join('&'); });

  const options = name => {
    const select = form.elements[name], known = new Set([...select.options].map(o => o.value));
    for (const v of [...new Set(all.runs.map(r => r[name]))].filter(v => v && !known.has(v)).sort()) select.append(element('option', { value: v }, v));
  };
  let last = '';
  const load = async () => {
    try {
      const answer = await fetch('/list.json'), now = await answer.text(), got = JSON.parse(now), same = JSON.stringify({ ...got, now: 0 });
      if (same === last) return;
      last = same;
      all = got;
      $('folder').textContent = all.folder;
      $('problem').hidden = !all.problem;
      $('problem').textContent = all.problem || '';
      options('cluster');
      options('workload');
      campaigns();
      show();
      document.body.dataset.loaded = 'yes';
    } catch {
      $('problem').hidden = false;
      $('problem').textContent = 'The server does not answer any more.';
      last = '';
    }
  };
  const beat = async () => { if (document.visibilityState === 'visible') await load(); setTimeout(beat, 1500); };
  form.addEventListener('submit', e => e.preventDefault());
  form.addEventListener('input', e => go(e.target.name, e.target.value));
  for (const b of document.querySelectorAll('[data-sort]')) b.addEventListener('click', () => {
    go('sort', state.get('sort') === b.dataset.sort ? '-' + b.dataset.sort : b.dataset.sort);
  });
  $('more').addEventListener('click', () => { limit += 1000; show(); });
  addEventListener('hashchange', () => { state = new URLSearchParams(location.hash.slice(1)); show(); });
  beat();
})();
