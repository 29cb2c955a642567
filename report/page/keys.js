// The keys: the whole list is searched and sorted, a part of it is in the page. And the command that repeats the run.
{
  const body = $('key-table')?.tBodies[0], search = $('key-search'), verdict = $('key-verdict'), more = $('key-more');
  const rank = { invalid: 0, unknown: 1, valid: 2 };
  const anchors = new Map([...document.querySelectorAll('.proof')].map(p => [p.querySelector('summary code').textContent, p.id]));
  let keys = null, order = { by: 'v', down: false }, limit = 100, found = [];
  const compare = (a, b) => {
    let c = 0;
    if (order.by === 'v') c = rank[a.v] - rank[b.v];
    else if ('nxt'.includes(order.by)) c = (a[order.by] || 0) - (b[order.by] || 0);
    else if (order.by !== 'k') c = (a[order.by] || '').localeCompare(b[order.by] || '');
    else c = a.k.localeCompare(b.k, undefined, { numeric: true });
    return (order.down ? -c : c) || a.i - b.i;
  };
  const cell = (row, text, kind) => { const c = row.insertCell(); if (kind) c.className = kind; c.textContent = text; return c; };
  const button = (text, about, act) => {
    const b = element('button', { type: 'button', class: 'link', title: about }, text);
    b.addEventListener('click', act);
    return b;
  };
  const line = k => {
    const row = document.createElement('tr'), name = element('code', {}, k.k), badge = element('span', { class: 'verdict ' + k.v }, k.v);
    const proof = k.v === 'invalid' && anchors.get(k.k);
    cell(row, '').append(proof ? element('a', { href: '#' + proof, title: 'To the evidence' }, name) : name);
    cell(row, '').append(badge);
    cell(row, k.b || k.c || '').title = k.c || '';
    cell(row, count(k.n), 'n');
    cell(row, count(k.x || 0), 'n');
    cell(row, count(k.t), 'n');
    const links = cell(row, '', 'links');
    links.append(button('operations', 'Its operations, client by client', () => { go({ view: 'clients', key: k.k, t: null, op: null, client: null, outcome: null, f: null, q: null }); scrollTo('clients'); }));
    if (canPicture(k.k)) links.append(' ', button('picture', "Porcupine's picture of it", () => { go({ view: 'picture', picture: k.k }); scrollTo('picture'); }));
    cell(row, k.r || '', 'long');
    return row;
  };
  const fill = from => {
    body.append(...found.slice(from, limit).map(line));
    more.hidden = found.length <= limit;
    $('key-count').textContent = found.length === keys.length ? plural(keys.length, 'key') : `${count(found.length)} of ${plural(keys.length, 'key')}`;
  };
  let last = null;
  const update = () => {
    if (!keys) return;
    const now = ['keys', 'verdict', 'sort'].map(k => state.get(k)).join('\n');
    if (now === last) return;
    last = now;
    if (document.activeElement !== search) search.value = state.get('keys') || '';
    verdict.value = state.get('verdict') || '';
    const sort = /^(-?)([kvbnxtr])$/.exec(state.get('sort') || 'v') || ['', '', 'v'];
    order = { by: sort[2], down: sort[1] === '-' };
    for (const b of $('key-table').querySelectorAll('[data-sort]')) {
      const th = b.closest('th');
      if (b.dataset.sort === order.by) th.setAttribute('aria-sort', order.down ? 'descending' : 'ascending'); else th.removeAttribute('aria-sort');
    }
    const wanted = (state.get('keys') || '').toLowerCase(), only = state.get('verdict') || '';
    found = keys.filter(k => (!only || k.v === only) && k.text.includes(wanted)).sort(compare);
    limit = 100;
    body.replaceChildren();
    fill(0);
  };
  watchers.push(update);
  if (body) {
    search.addEventListener('input', () => go({ view: 'keys', keys: search.value }));
    verdict.addEventListener('input', () => go({ view: 'keys', verdict: verdict.value }));
    more.addEventListener('click', () => { const from = limit; limit += 1000; fill(from); });
    for (const b of $('key-table').querySelectorAll('[data-sort]')) b.addEventListener('click', () => {
      go({ view: 'keys', sort: (order.by === b.dataset.sort && !order.down ? '-' : '') + b.dataset.sort });
    });
    unpack('keys-data').then(list => {
      keys = list;
      keys.forEach((k, i) => { k.i = i; k.text = [k.k, k.c, k.b, k.r].join('\n').toLowerCase(); });
      update();
    });
  }

  const copy = $('copy');
  if (copy && navigator.clipboard) {
    copy.hidden = false;
    copy.addEventListener('click', async () => {
      try {
        await navigator.clipboard.writeText($('command').textContent);
        copy.textContent = 'Copied';
      } catch {
        getSelection().selectAllChildren($('command')); // then the keyboard copies it
      }
    });
  }
}
