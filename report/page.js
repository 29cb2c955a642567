'use strict';
(() => {
  const $ = id => document.getElementById(id);
  const data = id => { const e = $(id); return e ? JSON.parse(e.textContent) : null; };

  // What a mark says of itself: its title, shown at once, and for the keyboard too.
  const tip = $('tip');
  const said = new WeakMap();
  const words = mark => {
    if (!said.has(mark)) {
      const title = mark.querySelector(':scope > title');
      if (!title) return '';
      said.set(mark, title.textContent);
      title.remove(); // or the browser would show its own as well, later
    }
    return said.get(mark);
  };
  const markAt = target => {
    for (let e = target; e && e.nodeType === 1 && e !== document.body; e = e.parentNode) {
      if (e instanceof SVGElement && (said.has(e) || e.querySelector(':scope > title'))) return e;
    }
    return null;
  };
  const show = (text, x, y) => {
    tip.textContent = text;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(x + 14, innerWidth - box.width - 6)) + 'px';
    tip.style.top = (y + 18 + box.height > innerHeight ? Math.max(4, y - box.height - 10) : y + 18) + 'px';
  };
  const hide = () => { tip.hidden = true; };
  document.addEventListener('pointermove', e => {
    const mark = markAt(e.target);
    const text = mark && words(mark);
    if (text) show(text, e.clientX, e.clientY); else hide();
  });
  document.addEventListener('pointerleave', hide);
  document.addEventListener('focusin', e => {
    const mark = e.target.matches(':focus-visible') && markAt(e.target);
    if (!mark) return hide();
    const box = mark.getBoundingClientRect();
    show(words(mark), box.left, box.bottom - 10);
  });
  document.addEventListener('focusout', hide);
  document.addEventListener('keydown', e => { if (e.key === 'Escape') hide(); });

  // Zoom makes the drawing wider inside its frame, and keeps in place what is in the middle.
  const frame = $('plots'), wide = frame.querySelector('.wide');
  const zoom = (factor, middle) => {
    const at = middle ?? (frame.scrollLeft + frame.clientWidth / 2) / wide.offsetWidth;
    wide.style.setProperty('--zoom', factor);
    frame.classList.toggle('zoomed', factor >= 4);
    frame.scrollLeft = at * wide.offsetWidth - frame.clientWidth / 2;
    for (const b of document.querySelectorAll('[data-zoom]')) b.setAttribute('aria-pressed', b.dataset.zoom === String(factor));
  };
  for (const b of document.querySelectorAll('[data-zoom]')) b.addEventListener('click', () => zoom(Number(b.dataset.zoom)));
  const evidence = $('to-evidence');
  if (evidence) evidence.addEventListener('click', () => {
    const w = wide.querySelector('div.window');
    zoom(16, (w.offsetLeft + w.offsetWidth / 2) / wide.offsetWidth);
  });

  // A line through all plots at the pointer.
  const cross = wide.querySelector('.cross'), seconds = Number(wide.dataset.seconds);
  wide.addEventListener('pointermove', e => {
    const box = wide.getBoundingClientRect(), share = (e.clientX - box.left) / box.width;
    cross.hidden = false;
    cross.style.left = share * 100 + '%';
    cross.classList.toggle('left', share > 0.9);
    cross.dataset.time = (share * seconds).toFixed(3) + ' s';
  });
  wide.addEventListener('pointerleave', () => { cross.hidden = true; });

  // A link to what is folded unfolds it.
  const unfold = () => {
    const target = location.hash.length > 1 && $(decodeURIComponent(location.hash.slice(1)));
    const folded = target && target.closest('details:not([open])');
    if (folded) { folded.open = true; target.scrollIntoView(); }
  };
  addEventListener('hashchange', unfold);
  addEventListener('beforeprint', () => { for (const d of document.querySelectorAll('details')) d.open = true; });
  unfold();

  // The keys: the whole list is searched and sorted, a part of it is in the page.
  const keys = data('keys-data');
  if (keys && $('key-table')) {
    const body = $('key-table').tBodies[0], search = $('key-search'), verdict = $('key-verdict'), more = $('key-more');
    const rank = { invalid: 0, unknown: 1, valid: 2 };
    const anchors = new Map([...document.querySelectorAll('.proof')].map(p => [p.querySelector('summary code').textContent, p.id]));
    keys.forEach((k, i) => { k.i = i; k.text = [k.k, k.c, k.b, k.r].join('\n').toLowerCase(); });
    let order = { by: 'v', down: false }, limit = 100, found = [];
    const compare = (a, b) => {
      let c = 0;
      if (order.by === 'v') c = rank[a.v] - rank[b.v];
      else if ('nxt'.includes(order.by)) c = (a[order.by] || 0) - (b[order.by] || 0);
      else if (order.by !== 'k') c = (a[order.by] || '').localeCompare(b[order.by] || '');
      else c = a.k.localeCompare(b.k, undefined, { numeric: true });
      return (order.down ? -c : c) || a.i - b.i;
    };
    const cell = (row, text, kind) => { const c = row.insertCell(); if (kind) c.className = kind; c.textContent = text; return c; };
    const line = k => {
      const row = document.createElement('tr');
      const name = document.createElement('code');
      name.textContent = k.k;
      let holder = cell(row, '');
      if (anchors.has(k.k) && k.v === 'invalid') {
        const link = document.createElement('a');
        link.href = '#' + anchors.get(k.k);
        link.title = 'To the evidence';
        holder = holder.appendChild(link);
      }
      holder.append(name);
      const badge = document.createElement('span');
      badge.className = 'verdict ' + k.v;
      badge.textContent = k.v;
      cell(row, '').append(badge);
      cell(row, k.b || k.c || '').title = k.c || '';
      cell(row, k.n.toLocaleString('en'), 'n');
      cell(row, (k.x || 0).toLocaleString('en'), 'n');
      cell(row, k.t.toLocaleString('en'), 'n');
      cell(row, k.r || '', 'long');
      return row;
    };
    const fill = from => {
      body.append(...found.slice(from, limit).map(line));
      more.hidden = found.length <= limit;
      $('key-count').textContent = found.length === keys.length ? keys.length.toLocaleString('en') + ' keys'
        : found.length.toLocaleString('en') + ' of ' + keys.length.toLocaleString('en') + ' keys';
    };
    const update = () => {
      const wanted = search.value.toLowerCase(), only = verdict.value;
      found = keys.filter(k => (!only || k.v === only) && k.text.includes(wanted)).sort(compare);
      limit = 100;
      body.replaceChildren();
      fill(0);
    };
    // The address holds the search, so that it can be sent to a colleague.
    const remember = () => {
      const q = new URLSearchParams();
      if (search.value) q.set('key', search.value);
      if (verdict.value) q.set('verdict', verdict.value);
      history.replaceState(null, '', '#' + (q.size ? q : 'keys'));
    };
    const recall = () => {
      const q = new URLSearchParams(location.hash.slice(1));
      if (!q.has('key') && !q.has('verdict') || !q.values().some(v => v)) return;
      search.value = q.get('key') || '';
      verdict.value = q.get('verdict') || '';
      update();
      $('keys').scrollIntoView();
    };
    for (const control of [search, verdict]) control.addEventListener('input', () => { update(); remember(); });
    more.addEventListener('click', () => { const from = limit; limit += 1000; fill(from); });
    for (const b of $('key-table').querySelectorAll('[data-sort]')) b.addEventListener('click', () => {
      order = { by: b.dataset.sort, down: order.by === b.dataset.sort && !order.down };
      for (const th of $('key-table').querySelectorAll('th')) th.removeAttribute('aria-sort');
      b.closest('th').setAttribute('aria-sort', order.down ? 'descending' : 'ascending');
      update();
    });
    addEventListener('hashchange', recall);
    update();
    recall();
  }

  // Porcupine's page, in an origin of its own; the browser draws it when it comes near the view.
  const picture = $('porcupine');
  if (picture) picture.srcdoc = data('picture-data');

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
})();
