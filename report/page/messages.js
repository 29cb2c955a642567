// The messages of a simulated run: a window of its events, one a line, and above it the whole run in a row.
//
// In the address at is the moment (seconds) at which the window begins, op the operation (its event) that it is to show, q what is
// searched for, minor=1 that heartbeats and commits are shown, clients=0 that clients are not.
{
  const row = 22, margin = 104, nodeLane = 168, clientLane = 150, rows = 400;
  const kinds = ['sent', 'lost', 'arrival', 'start', 'down', 'role', 'note', 'operation', 'completion', 'fault', 'violation'];
  const K = Object.fromEntries(kinds.map((k, i) => [k, i]));
  const head = document.querySelector('.sequence-head'), body = document.querySelector('.sequence-body'), frame = $('drawing'), canvas = $('overview');
  let e = null, n = 0, at = null, back = null, marked = null, changes = [], lives = [], operations = [], following = new Map(), visible = [], first = 0, last = 0;

  const svg = (name, attributes = {}, ...children) => {
    const made = document.createElementNS('http://www.w3.org/2000/svg', name);
    for (const [k, v] of Object.entries(attributes)) made.setAttribute(k, v);
    made.append(...children);
    return made;
  };
  const prepare = d => {
    e = d;
    n = d.at.length;
    at = new Float64Array(n);
    back = new Int32Array(n); // of arrivals and completions: where it began
    let now = 0;
    const latest = []; // of each lane
    for (let i = 0; i < n; i++) {
      at[i] = (now += d.at[i]) / 1e6;
      if (d.pair[i]) back[i + d.pair[i]] = i;
      if (d.kind[i] === K.start || d.kind[i] === K.down || d.kind[i] === K.role) {
        lives.push(i);
        if (d.kind[i] === K.role && e.texts[d.class[i]] === 'leader') changes.push(i);
      }
      if (d.kind[i] !== K.operation) continue;
      operations.push(i);
      if (latest[d.lane[i]] !== undefined) following.set(latest[d.lane[i]], i);
      latest[d.lane[i]] = i;
    }
    marked = new Set(d.marked);
  };
  // Where an operation ends in the drawing: a client that goes on has given up the one before.
  const endOf = i => e.pair[i] ? i + e.pair[i] : following.get(i) ?? n;
  const label = i => e.texts[e.label[i]].split('\n')[0], detail = i => e.texts[e.label[i]], kind = i => kinds[e.kind[i]], name = lane => e.lanes[lane - 1] || 'all';
  const exact = s => s.toFixed(6) + ' s', later = s => s < 1e-3 ? (s * 1e6).toFixed(0) + ' µs' : s < 1 ? (s * 1e3).toPrecision(3) + ' ms' : s.toPrecision(3) + ' s';
  const explain = i => {
    const k = e.kind[i], end = e.pair[i] ? i + e.pair[i] : 0;
    if (k === K.sent || k === K.lost) {
      const [what, ...why] = detail(i).split('\n');
      return `${what}\nfrom ${name(e.lane[i])} to ${name(e.peer[i])}, term ${e.term[i]}\nsent ${exact(at[i])}\n`
        + (end ? `arrived ${exact(at[end])} (${later(at[end] - at[i])} later)` : 'never arrived' + (why.length ? ': ' + why.join(' ') : ''));
    }
    if (k === K.operation) {
      return `${name(e.lane[i])}: ${detail(i)}\ncalled ${exact(at[i])}\n` + (end ? `ended ${exact(at[end])} (${later(at[end] - at[i])} later)` : 'never ended')
        + `\nevent ${e.number[i]} of the history` + (marked.has(i) ? '\npart of the evidence' : '');
    }
    return `${e.lane[i] ? name(e.lane[i]) + ': ' : ''}${detail(i)}\n${exact(at[i])}`;
  };
  // The minor ones are left out unless they are asked for, and what belongs to clients where they are not wanted.
  const select = () => {
    const minor = state.get('minor') === '1', clients = state.get('clients') !== '0';
    visible = [];
    for (let i = 0; i < n; i++) {
      if (e.minor[i] && !minor || !clients && (e.kind[i] === K.operation || e.kind[i] === K.completion)) continue;
      visible.push(i);
    }
  };
  const placeOf = time => {
    let low = 0, high = visible.length;
    while (low < high) { const middle = (low + high) >> 1; if (at[visible[middle]] < time) low = middle + 1; else high = middle; }
    return low;
  };
  const matching = (i, q) => (e.kind[i] === K.arrival || e.kind[i] === K.completion) ? false : (detail(i) + ' ' + name(e.lane[i]) + ' ' + kind(i)).toLowerCase().includes(q);

  // What is drawn of the window from first to last.
  let x = [], y = new Map(), wide = 0, height = 0;
  const look = { leader: 'leader', candidate: 'life candidate', follower: 'life follower', down: 'life down' };
  const draw = () => {
    const nodes = e.nodes, shown = state.get('clients') === '0' ? nodes : e.lanes.length;
    x = [0];
    for (let l = 0, place = margin + 40; l < e.lanes.length; l++) { x.push(place); place += l < nodes - 1 ? nodeLane : clientLane; if (l < shown) wide = place + 40; }
    first = Math.max(0, Math.min(placeOf(Number(state.get('at') || 0) - 1e-7), visible.length - 1));
    last = Math.min(first + rows, visible.length);
    height = (last - first + 1) * row;
    y = new Map();
    for (let p = first; p < last; p++) y.set(visible[p], (p - first) * row + row / 2);
    const from = visible[first] ?? 0, to = last < visible.length ? visible[last] : n;
    for (const s of [head, body]) { s.setAttribute('width', wide); s.setAttribute('viewBox', `0 0 ${wide} ${s === head ? 30 : height}`); }
    body.setAttribute('height', height);
    head.replaceChildren(...e.lanes.slice(0, shown).map((l, i) => svg('text', { x: x[i + 1], y: 20, 'text-anchor': 'middle', class: i < nodes ? 'lane-name' : 'lane-name client' }, l)));
    const drawn = [];
    for (let l = 1; l <= shown; l++) drawn.push(...(l <= nodes ? life(l, from, to) : [svg('line', { x1: x[l], x2: x[l], y1: 0, y2: height, class: 'life client' })]));
    // What was under way when the window begins comes from above.
    for (const i of operations) if (i < from && endOf(i) >= from && shown > nodes) drawn.push(operation(i));
    for (let i = Math.max(0, from - 20000); i < from; i++) if (e.kind[i] === K.sent && i + e.pair[i] >= from && i + e.pair[i] < to && y.has(i + e.pair[i])) drawn.push(message(i));
    let before = null;
    for (let p = first; p < last; p++) {
      const i = visible[p], time = exact(at[i]);
      if (time !== before) drawn.push(svg('text', { x: margin - 12, y: y.get(i) + 4, 'text-anchor': 'end', class: 'tick' }, time));
      before = time;
      const made = mark(i);
      if (made) drawn.push(made);
    }
    body.replaceChildren(...drawn);
    $('told').textContent = visible.length ? `${count(first + 1)} to ${count(last)} of ${count(visible.length)} events shown, ${exact(at[visible[first]])} to ${exact(at[visible[last - 1]])}` : 'nothing happened';
    $('earlier').disabled = $('first').disabled = first === 0;
    $('later').disabled = last === visible.length;
    overview();
  };
  // What a node is, from line to line of the window.
  const life = (lane, from, to) => {
    let what = 'follower', term = 0, since = 0;
    const spans = [], end = until => {
      const leads = what === 'leader', shape = leads ? svg('rect', { x: x[lane] - 4, width: 8, y: since, height: Math.max(until - since, 0), class: term % 2 ? 'leader' : 'leader even' })
        : svg('line', { x1: x[lane], x2: x[lane], y1: since, y2: until, class: look[what] || 'life' });
      shape.prepend(svg('title', {}, what === 'down' ? name(lane) + ' is down' : `${name(lane)}: ${what} in term ${term}`));
      if (until > since) spans.push(shape);
    };
    for (const i of lives) {
      if (e.lane[i] !== lane) continue;
      if (i >= to) break;
      if (i >= from && y.has(i)) { end(y.get(i)); since = y.get(i); }
      what = e.kind[i] === K.down ? 'down' : e.kind[i] === K.start ? 'follower' : e.texts[e.class[i]];
      term = e.term[i];
    }
    end(height);
    return spans;
  };
  const group = (i, kindOf, ...children) => {
    const q = (state.get('q') || '').toLowerCase();
    const g = svg('g', { class: kindOf + (marked.has(i) ? ' marked' : '') + (q && matching(i, q) ? ' found' : ''), 'data-event': i }, ...children);
    g.prepend(svg('title', {}, explain(i)));
    return g;
  };
  const text = (x, y, words, kindOf = 'name', anchor = 'start') => svg('text', { x, y, class: kindOf, 'text-anchor': anchor }, words.length > 60 ? words.slice(0, 59) + '…' : words);
  const mark = i => {
    const k = e.kind[i], lane = e.lane[i];
    if (k === K.sent || k === K.lost) return message(i);
    if (k === K.operation) return operation(i);
    if (k === K.arrival || k === K.completion) return null;
    if (k === K.fault || k === K.violation) {
      const top = y.get(i) - row / 2 + 1;
      return group(i, 'band ' + (k === K.fault ? e.texts[e.class[i]] : 'violation'), svg('rect', { x: margin, y: top, width: wide - 12 - margin, height: row - 2, rx: 4 }), text(margin + 8, y.get(i) + 4, label(i)));
    }
    const kindOf = { [K.start]: 'sign start', [K.down]: 'sign crash', [K.role]: 'sign role ' + e.texts[e.class[i]], [K.note]: 'sign note' }[k];
    return group(i, kindOf, svg('circle', { cx: x[lane], cy: y.get(i), r: 4 }), text(x[lane] + 9, y.get(i) + 4, (k === K.down ? '✕ ' : '') + label(i)));
  };
  const message = i => {
    const end = e.pair[i] ? i + e.pair[i] : 0, x1 = x[e.lane[i]], arrives = end > 0;
    let x2 = x[e.peer[i]], y1 = y.get(i) ?? 0, y2 = arrives ? y.get(end) ?? height : y1 + row / 2;
    if (!arrives) x2 = x1 + (x2 - x1) * 0.55;
    const parts = [svg('line', { x1, y1, x2, y2, class: 'shaft' })], away = x2 < x1 ? -8 : 8;
    if (arrives && y.has(end)) {
      const slope = (y2 - y1) / (x2 - x1);
      parts.push(svg('path', { class: 'tip', d: `M${x2} ${y2}L${x2 - away} ${y2 - away * slope - 3.5}L${x2 - away} ${y2 - away * slope + 3.5}Z` }));
    } else if (!arrives) parts.push(text(x2, y2 + 4, '✕', 'cross-mark', 'middle'));
    if (y.has(i)) parts.push(text(x1 + away, y1 - 2, label(i), 'name', away < 0 ? 'end' : 'start'));
    return group(i, 'message ' + e.texts[e.class[i]] + (arrives ? '' : ' lost'), ...parts);
  };
  const operation = i => {
    const top = y.get(i) ?? 0, end = y.get(endOf(i)) ?? height;
    return group(i, 'call', svg('rect', { x: x[e.lane[i]] - 6, y: top, width: 12, height: Math.max(end - top, 4), rx: 3, class: 'operation ' + e.texts[e.class[i]] }),
      text(x[e.lane[i]] + 10, top + 9, label(i), 'name said'));
  };

  // The whole run: a row a node, the faults over all of them, and what of it is in the window.
  const overview = () => {
    const style = getComputedStyle(document.documentElement), colour = k => style.getPropertyValue('--' + k).trim(), pen = canvas.getContext('2d'), ratio = devicePixelRatio || 1;
    const w = canvas.clientWidth, line = 12, left = 64, h = e.nodes * line + 18;
    canvas.style.height = h + 'px';
    canvas.width = w * ratio;
    canvas.height = h * ratio;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    const of = t => left + t / e.length * (w - left);
    pen.fillStyle = colour('raised');
    pen.fillRect(left, 0, w - left, e.nodes * line);
    const open = new Map();
    for (let i = 0; i < n; i++) { // the trace has the beginning of a fault and, by the same words, its end
      if (e.kind[i] !== K.fault) continue;
      const what = label(i).replace(/^over: /, '');
      if (!label(i).startsWith('over: ')) { open.set(what, i); continue; }
      if (open.has(what)) { shade(pen, colour(e.texts[e.class[i]]) || colour('other'), of(at[open.get(what)]), of(at[i]), e.nodes * line); open.delete(what); }
    }
    for (const i of open.values()) shade(pen, colour(e.texts[e.class[i]]) || colour('other'), of(at[i]), w, e.nodes * line);
    if (e.stretches.length) {
      pen.strokeStyle = colour('line');
      let t = 0;
      for (const [from, to] of [...e.stretches, [e.length, e.length]]) {
        for (let p = of(t); p < of(Math.min(from, e.length)); p += 5) { pen.beginPath(); pen.moveTo(p, e.nodes * line); pen.lineTo(p + 5, 0); pen.stroke(); }
        t = Math.max(t, to);
      }
    }
    pen.font = '11px system-ui, sans-serif';
    pen.textBaseline = 'middle';
    const states = e.lanes.slice(0, e.nodes).map(() => ['follower', 0, 0]);
    const bar = (l, until) => {
      const [what, since, term] = states[l];
      if (what === 'follower') return;
      pen.fillStyle = what === 'leader' ? colour(term % 2 ? 'leader' : 'leader-even') : what === 'down' ? colour('down') : colour('fail');
      pen.fillRect(of(since), l * line + 2, Math.max(of(until) - of(since), 1), line - 4);
    };
    for (const i of lives) {
      const l = e.lane[i] - 1;
      if (l < 0 || l >= e.nodes) continue;
      bar(l, at[i]);
      states[l] = [e.kind[i] === K.down ? 'down' : e.kind[i] === K.start ? 'follower' : e.texts[e.class[i]], at[i], e.term[i]];
    }
    states.forEach((_, l) => bar(l, e.length));
    pen.fillStyle = colour('text');
    pen.textAlign = 'right';
    e.lanes.slice(0, e.nodes).forEach((l, i) => pen.fillText(l.length > 9 ? l.slice(0, 8) + '…' : l, left - 6, i * line + line / 2));
    pen.fillStyle = colour('bad');
    for (const i of marked) pen.fillRect(of(at[i]) - 1, 0, 2, e.nodes * line);
    pen.fillStyle = colour('quiet');
    const parts = Math.max(1, Math.min(8, Math.floor((w - left) / 90)));
    for (let s = 0; s <= parts; s++) { pen.textAlign = s === 0 ? 'left' : s === parts ? 'right' : 'center'; pen.fillText((e.length * s / parts).toFixed(2) + ' s', of(e.length * s / parts), h - 7); }
    if (!visible.length) return;
    const from = of(at[visible[first]]), to = of(at[visible[last - 1]]);
    pen.strokeStyle = colour('accent');
    pen.lineWidth = 2;
    pen.strokeRect(from - 1, 1, Math.max(to - from, 3), e.nodes * line - 2);
  };
  const shade = (pen, colour, from, to, height) => { pen.globalAlpha = 0.22; pen.fillStyle = colour; pen.fillRect(from, 0, Math.max(to - from, 1), height); pen.globalAlpha = 1; };

  const goTo = time => { go({ at: short(Math.max(0, time)), op: null }); frame.scrollTop = 0; };
  const before = 40; // lines of what went before
  const around = i => { const p = placeOf(at[i]); goTo(at[visible[Math.max(0, p - before)]]); };
  watchers.push(() => {
    if (!e) return;
    select();
    for (const [id, value] of [['at', state.get('at') || '0'], ['q', state.get('q') || '']]) if (document.activeElement !== $(id)) $(id).value = value;
    $('minor').checked = state.get('minor') === '1';
    $('clients').checked = state.get('clients') !== '0';
    const op = state.get('op'), wanted = op === null ? undefined : operations.find(i => e.number[i] === Number(op));
    if (wanted !== undefined && !state.has('at')) {
      state.set('at', short(at[visible[Math.max(0, placeOf(at[wanted]) - 10)]]));
      history.replaceState(null, '', '#' + state);
    }
    draw();
  });
  const moved = direction => {
    const now = visible[first] ?? 0, list = direction > 0 ? changes.filter(i => at[i] > at[visible[Math.min(first + before, visible.length - 1)]]) : changes.filter(i => at[i] < at[now]).reverse();
    if (list.length) around(list[0]);
  };
  const page = Math.round(rows * 0.9);
  for (const [id, act] of [['first', () => goTo(0)], ['earlier', () => goTo(at[visible[Math.max(0, first - page)]])], ['later', () => goTo(at[visible[Math.min(first + page, visible.length - 1)]])],
    ['before', () => moved(-1)], ['after', () => moved(1)], ['next', () => {
      const q = (state.get('q') || '').toLowerCase();
      if (!q) return;
      const from = first + (visible.slice(first, first + before + 1).some(i => matching(i, q)) ? before : 0);
      let p = visible.findIndex((i, p) => p > from && matching(i, q));
      if (p < 0) p = visible.findIndex(i => matching(i, q));
      if (p >= 0) around(visible[p]); else $('told').textContent = 'nothing matches';
    }]]) $(id).addEventListener('click', act);
  $('view').addEventListener('submit', event => { event.preventDefault(); $('next').click(); });
  $('at').addEventListener('change', () => { const t = Number($('at').value); if (Number.isFinite(t)) goTo(Math.min(t, e.length)); });
  $('q').addEventListener('input', () => go({ q: $('q').value }));
  $('minor').addEventListener('change', () => go({ minor: $('minor').checked ? '1' : null }));
  $('clients').addEventListener('change', () => go({ clients: $('clients').checked ? null : '0' }));
  canvas.addEventListener('click', event => { const box = canvas.getBoundingClientRect(); goTo(Math.min(Math.max((event.clientX - box.left - 64) / (box.width - 64), 0), 1) * e.length); });
  canvas.addEventListener('pointermove', event => {
    const box = canvas.getBoundingClientRect(), t = (event.clientX - box.left - 64) / (box.width - 64) * e.length;
    event.stopPropagation();
    if (t >= 0) show(t.toFixed(3) + ' s: click to go there', event.clientX, event.clientY);
  });
  canvas.addEventListener('pointerleave', hide);
  addEventListener('resize', () => { if (e) overview(); });
  for (const query of ['(prefers-color-scheme: dark)', 'print']) matchMedia(query).addEventListener('change', () => { if (e) overview(); });
  addEventListener('hashchange', () => { state = read(); notify(); });
  rove(body, marksIn(body, 'g[data-event]'));
  setTimeout(async () => {
    prepare(await unpack('messages-data'));
    state = read();
    $('messages').classList.remove('waiting');
    notify();
  }, 0);
}
