// The clients' operations, a lane a client, drawn as far as they are in view.
{
  const canvas = $('lanes'), pen = canvas.getContext('2d'), panel = $('operation'), form = $('clients-filter');
  const overview = 24, axis = 20, outcomes = ['ok', 'fail', 'info'];
  let ops = null, everyLane = [], lanes = [], laneHeight = 16, width = 0, height = 0, colours = {}, matches = null, chosen = -1, most = 0;

  // Columns become what drawing needs: seconds, and the operations of each lane in order.
  const prepare = d => {
    const n = d.call.length, call = new Float64Array(n), end = new Float64Array(n), byLane = new Map();
    let at = 0;
    for (let i = 0; i < n; i++) {
      at += d.call[i];
      call[i] = at / 1e6;
      end[i] = d.took[i] < 0 ? Infinity : (at + d.took[i]) / 1e6;
      if (end[i] !== Infinity) most = Math.max(most, end[i] - call[i]);
      const lane = d.clients > 0 ? d.process[i] % d.clients : d.process[i];
      if (!byLane.has(lane)) byLane.set(lane, []);
      byLane.get(lane).push(i);
    }
    everyLane = [...byLane.keys()].sort((a, b) => a - b).map(client => ({ client, ops: byLane.get(client) }));
    lanes = everyLane.slice(0, mostLanes);
    const laneOf = new Int32Array(n), next = new Float64Array(n).fill(Infinity);
    everyLane.forEach((lane, l) => lane.ops.forEach((i, at) => {
      laneOf[i] = l;
      if (at + 1 < lane.ops.length) next[i] = call[lane.ops[at + 1]];
    }));
    const numbers = new Map(d.index.map((event, i) => [event, i]));
    return { ...d, n, start: call, end, laneOf, next, numbers, proof: new Set(d.evidence) };
  };
  // What the page holds, and where it is served what was asked for beside that: all of a stretch, or what of it is on one key.
  let own = null, asked = null, asking = null, trouble = '';
  const known = () => [...own.stretches, ...(asked && (!asked.key || asked.key === state.get('key')) ? asked.stretches : [])].sort((a, b) => a[0] - b[0]);
  const complete = ([from, to]) => {
    if (!own.stretches.length) return true;
    for (const [a, b] of known()) if (a <= from) from = Math.max(from, b);
    return from >= to;
  };
  const mostAsked = 50000;
  const fewEnough = ([from, to]) => state.get('key') || own.total * (to - from) / length <= mostAsked;
  const decode = d => { let at = 0; return d.call.map(since => at += since); };
  // The operations of both, by their call; those that are in both once.
  const both = (a, b) => {
    const texts = [...a.texts], numbers = new Map(texts.map((t, i) => [t, i])), held = new Set(a.index);
    const number = b.texts.map(t => { if (!numbers.has(t)) { numbers.set(t, texts.length); texts.push(t); } return numbers.get(t); });
    const plain = ['took', 'process', 'outcome', 'log', 'index', 'reads'], named = ['f', 'key', 'said', 'result', 'node'];
    const out = { ...a, texts, call: [] }, callA = decode(a), callB = decode(b);
    for (const c of [...plain, ...named]) out[c] = [];
    let last = 0;
    const take = (from, i, at) => {
      out.call.push(at - last);
      last = at;
      for (const c of plain) out[c].push(from[c][i]);
      for (const c of named) out[c].push(from === b ? number[b[c][i]] : a[c][i]);
    };
    for (let i = 0, j = 0; i < callA.length || j < callB.length;) {
      if (j < callB.length && held.has(b.index[j])) j++;
      else if (j >= callB.length || i < callA.length && callA[i] <= callB[j]) take(a, i, callA[i++]);
      else take(b, j, callB[j++]);
    }
    return out;
  };
  const again = found => {
    ops = prepare(found);
    density = null;
    size();
    notify();
  };
  // What is in view and not in the page is asked for once it stays in view.
  let soon = 0, last = '';
  const ask = () => {
    clearTimeout(soon);
    if (!served || !pass || complete(span()) || !fewEnough(span())) return;
    const [from, to] = span(), key = state.get('key') || '', question = new URLSearchParams({ from: short(from), to: short(to), pass });
    if (key) question.set('key', key);
    if (String(question) === last) return;
    soon = setTimeout(async () => {
      last = String(question);
      if (asking) asking.abort();
      const mine = asking = new AbortController();
      draw();
      try {
        const answer = await fetch('operations?' + question, { signal: mine.signal });
        if (!answer.ok) throw new Error(await answer.text());
        const found = await answer.json();
        if (mine !== asking) return;
        asked = { key, stretches: found.stretches };
        asking = null;
        trouble = '';
        again(both(own, found));
      } catch (e) {
        if (mine !== asking) return;
        asking = null;
        trouble = 'they could not be read: ' + e.message;
        draw();
      }
    }, 200);
  };
  const key = i => ops.texts[ops.key[i]], f = i => ops.texts[ops.f[i]], node = i => ops.texts[ops.node[i]];
  const saidOf = i => ops.texts[ops.said[i]], resultOf = i => ops.texts[ops.result[i]];
  const explain = i => {
    const lines = [`process ${ops.process[i]}: ${saidOf(i)} ${resultOf(i)}${key(i) ? '   key ' + key(i) : ''}`, `called ${ops.start[i].toFixed(6)} s`];
    if (ops.end[i] === Infinity) lines.push('never returned: it may have taken effect at any time after the call, or never');
    else if (ops.outcome[i] === 2) lines.push(`given up after ${duration(ops.end[i] - ops.start[i])}: it may have taken effect at any time after the call, or never`);
    else lines.push(`returned ${ops.end[i].toFixed(6)} s (${duration(ops.end[i] - ops.start[i])} later)`);
    if (node(i)) lines.push('node ' + node(i) + (ops.log[i] ? ', log index ' + ops.log[i] : ''));
    lines.push(`event ${ops.index[i]} of the history`);
    if (ops.proof.has(ops.index[i])) lines.push('part of the evidence');
    return lines.join('\n');
  };
  const duration = s => s < 1e-3 ? (s * 1e6).toFixed(0) + ' µs' : s < 1 ? (s * 1e3).toPrecision(3) + ' ms' : s.toPrecision(3) + ' s';

  // Which operations the filters let through; null: all.
  const filter = () => {
    const wanted = { key: state.get('key'), client: state.get('client'), outcome: state.get('outcome'), f: state.get('f'), q: state.get('q') };
    if (!Object.values(wanted).some(v => v)) return null;
    const q = (wanted.q || '').toLowerCase(), client = wanted.client === null ? null : Number(wanted.client);
    const found = new Uint8Array(ops.n);
    for (let i = 0; i < ops.n; i++) {
      found[i] = (!wanted.key || key(i) === wanted.key) && (client === null || ops.process[i] === client || everyLane[ops.laneOf[i]].client === client)
        && (!wanted.outcome || outcomes[ops.outcome[i]] === wanted.outcome) && (!wanted.f || f(i) === wanted.f)
        && (!q || (saidOf(i) + ' ' + resultOf(i) + ' ' + key(i) + ' ' + node(i)).toLowerCase().includes(q)) ? 1 : 0;
    }
    return found;
  };
  const passes = i => !matches || matches[i] === 1;

  // The first operation of a lane, or of all, that can reach into a stretch.
  const firstFrom = (list, at) => {
    let low = 0, high = list ? list.length : ops.n;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ops.start[list ? list[middle] : middle] < at - most) low = middle + 1; else high = middle;
    }
    return low;
  };
  const inView = (limit = Infinity) => {
    const [from, to] = span(), found = [];
    for (let i = firstFrom(null, from); i < ops.n && ops.start[i] <= to && found.length < limit; i++) {
      if (passes(i) && (ops.end[i] >= from)) found.push(i);
    }
    return found;
  };

  // Of very many clients those are drawn that have something in view, the chosen operation's and the evidence's first.
  const mostLanes = 100;
  const pickLanes = () => {
    if (everyLane.length <= mostLanes) return;
    const [from, to] = span(), found = new Set(), before = lanes.length;
    const add = i => { if (i !== undefined && passes(i) && ops.start[i] <= to && ops.end[i] >= from && found.size < mostLanes) found.add(ops.laneOf[i]); };
    if (chosen >= 0) add(chosen);
    for (const event of ops.proof) add(ops.numbers.get(event));
    for (let i = firstFrom(null, from); i < ops.n && ops.start[i] <= to && found.size < mostLanes; i++) add(i);
    lanes = [...found].sort((a, b) => a - b).map(l => everyLane[l]);
    if (lanes.length !== before) size();
  };

  const look = () => {
    const style = getComputedStyle(document.documentElement);
    for (const name of ['bg', 'raised', 'text', 'quiet', 'line', 'grid', 'ok', 'fail', 'info', 'bad', 'accent', 'kill', 'partition', 'pause', 'clock', 'disk', 'packet', 'other']) {
      colours[name] = style.getPropertyValue('--' + name).trim();
    }
  };
  const size = () => {
    const ratio = devicePixelRatio || 1;
    width = canvas.clientWidth;
    laneHeight = Math.max(9, Math.min(26, Math.floor(560 / Math.max(lanes.length, 1))));
    height = overview + 8 + lanes.length * laneHeight + axis;
    canvas.style.height = height + 'px';
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  };
  const label = () => width < 600 ? 30 : 64;
  const xOf = (at, [from, to]) => label() + (at - from) / (to - from) * (width - label());
  const timeOf = (x, [from, to]) => from + (x - label()) / (width - label()) * (to - from);
  const laneTop = l => overview + 8 + l * laneHeight;

  // However often something changes, it is drawn once a frame.
  let due = 0;
  const draw = () => { if (ops) due ||= requestAnimationFrame(paint); };
  const paint = () => {
    due = 0;
    const view = span(), bottom = laneTop(lanes.length);
    pen.clearRect(0, 0, width, height);
    pen.font = '11px system-ui, sans-serif';
    pen.textBaseline = 'middle';
    drawOverview(view);
    pen.fillStyle = colours.raised;
    pen.fillRect(label(), overview + 8, width - label(), bottom - overview - 8);
    pen.save();
    pen.beginPath();
    pen.rect(label(), overview + 8, width - label(), bottom - overview - 8);
    pen.clip();
    for (const [from, to, kind] of ops.faults) shade(kind, xOf(from, view), xOf(to, view), overview + 8, bottom);
    drawMissing(view, bottom);
    for (let l = 0; l < lanes.length; l++) drawLane(l, view);
    const at = state.get('at');
    if (at !== null) { pen.fillStyle = colours.text; pen.fillRect(xOf(Number(at), view), overview + 8, 1, bottom); }
    pen.restore();
    pen.textAlign = 'right';
    pen.fillStyle = colours.text;
    const every = Math.ceil(12 / laneHeight);
    lanes.forEach((lane, l) => { if (l % every === 0) pen.fillText(width < 600 ? String(lane.client) : 'client ' + lane.client, label() - 6, laneTop(l) + laneHeight / 2); });
    drawTicks(view, bottom);
  };
  const shade = (kind, left, right, top, bottom) => {
    pen.globalAlpha = 0.13;
    pen.fillStyle = colours[kind] || colours.other;
    pen.fillRect(left, top, Math.max(right - left, 1), bottom - top);
    pen.globalAlpha = 1;
  };
  // Where a long run's operations are not in the page one by one.
  const drawMissing = (view, bottom) => {
    if (!own.stretches.length) return;
    const why = !served || !pass ? 'only in the plots above, not one by one: `ordeal serve` has them' : asking ? 'they are being read…'
      : trouble || (fewEnough(view) ? 'more than are read at once: zoom in' : 'zoom in to read them one by one');
    let at = view[0];
    for (const [from, to] of [...known(), [Infinity, Infinity]]) {
      const until = Math.min(from, view[1]);
      if (until > at && at < view[1]) {
        const left = xOf(at, view), right = xOf(until, view);
        pen.save();
        pen.beginPath();
        pen.rect(left, overview + 8, right - left, bottom);
        pen.clip();
        pen.strokeStyle = colours.line;
        pen.lineWidth = 1;
        pen.beginPath();
        for (let x = left - bottom; x < right; x += 9) { pen.moveTo(x, bottom); pen.lineTo(x + bottom, 0); }
        pen.stroke();
        pen.restore();
        const wide = pen.measureText(why).width + 16;
        if (right - left > wide) {
          pen.fillStyle = colours.bg;
          pen.fillRect((left + right - wide) / 2, overview + 14, wide, 18);
          pen.textAlign = 'center';
          pen.fillStyle = colours.text;
          pen.fillText(why, (left + right) / 2, overview + 23);
        }
      }
      at = Math.max(at, to);
    }
  };
  const drawLane = (l, view) => {
    const list = lanes[l].ops, y = laneTop(l) + 1, h = laneHeight - 2;
    for (let at = firstFrom(list, view[0]); at < list.length && ops.start[list[at]] <= view[1]; at++) {
      const i = list[at], o = ops.outcome[i], open = ops.end[i] === Infinity || o === 2;
      if (Math.min(ops.end[i], ops.next[i]) < view[0] && ops.end[i] < view[0]) continue;
      const left = xOf(ops.start[i], view), right = Math.max(xOf(Math.min(ops.end[i], ops.next[i], length), view), left + 1);
      const name = colours[outcomes[o]];
      pen.globalAlpha = passes(i) ? (o === 0 && !ops.reads[i] ? 0.5 : 0.95) : 0.07;
      pen.fillStyle = name;
      if (open) { // an outline, without its right side
        pen.globalAlpha *= 0.25;
        pen.fillRect(left, y, right - left, h);
        pen.globalAlpha = passes(i) ? 1 : 0.1;
        pen.strokeStyle = name;
        pen.setLineDash([4, 2]);
        pen.beginPath();
        pen.moveTo(right, y + 0.5); pen.lineTo(left + 0.5, y + 0.5); pen.lineTo(left + 0.5, y + h - 0.5); pen.lineTo(right, y + h - 0.5);
        pen.stroke();
        pen.setLineDash([]);
      } else {
        pen.fillRect(left, y, Math.max(right - left - (right - left > 3 ? 0.5 : 0), 1), h);
        if (o === 1) { pen.fillStyle = '#14171a'; pen.fillRect(left, y + h / 2 - 0.5, right - left, 1); } // struck out
      }
      pen.globalAlpha = 1;
      if (ops.proof.has(ops.index[i]) || i === chosen) {
        pen.strokeStyle = i === chosen ? colours.accent : colours.bad;
        pen.lineWidth = 2;
        pen.strokeRect(left - 1, y - 0.5, Math.max(right - left, 2) + 2, h + 1);
        pen.lineWidth = 1;
      }
      if (right - left > 34 && h > 9 && passes(i)) {
        pen.save();
        pen.beginPath();
        pen.rect(left, y, right - left - 3, h);
        pen.clip();
        pen.textAlign = 'left';
        pen.fillStyle = o === 1 || o === 0 && ops.reads[i] ? '#14171a' : colours.text; // those are bright, light or dark the page
        pen.fillText((matches || !key(i) ? '' : key(i) + ' ') + saidOf(i) + ' ' + resultOf(i), left + 4, y + h / 2 + 0.5);
        pen.restore();
      }
    }
  };
  // All of the run in a row, and what of it is in view.
  let density = null;
  const drawOverview = view => {
    const all = [0, length], bins = Math.max(1, Math.floor((width - label()) / 2));
    pen.fillStyle = colours.raised;
    pen.fillRect(label(), 0, width - label(), overview);
    for (const [from, to, kind] of ops.faults) shade(kind, xOf(from, all), xOf(to, all), 0, overview);
    if (!density || density.bins !== bins || density.matches !== matches) {
      density = { bins, matches, n: new Uint32Array(bins) };
      for (let i = 0; i < ops.n; i++) if (passes(i)) density.n[Math.min(bins - 1, Math.floor(ops.start[i] / length * bins))]++;
      density.top = Math.max(1, ...density.n);
    }
    pen.fillStyle = colours.quiet;
    for (let b = 0; b < bins; b++) {
      if (!density.n[b]) continue;
      const h = Math.max(1, density.n[b] / density.top * (overview - 3));
      pen.fillRect(label() + b * 2, overview - h, 1.5, h);
    }
    pen.fillStyle = colours.bad;
    for (const event of ops.proof) {
      const i = ops.numbers.get(event);
      if (i !== undefined) pen.fillRect(xOf(ops.start[i], all) - 1, 0, 2, overview);
    }
    const left = xOf(view[0], all), right = xOf(view[1], all);
    pen.strokeStyle = colours.accent;
    pen.lineWidth = 2;
    pen.strokeRect(left + 1, 1, Math.max(right - left - 2, 2), overview - 2);
    pen.lineWidth = 1;
  };
  const drawTicks = (view, top) => {
    const wide = view[1] - view[0], raw = wide / Math.max(2, (width - label()) / 120), unit = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map(m => m * unit).find(s => s >= raw), digits = Math.max(0, -Math.floor(Math.log10(step)));
    pen.fillStyle = colours.quiet;
    pen.textAlign = 'center';
    for (let at = Math.ceil(view[0] / step) * step; at <= view[1]; at += step) {
      const x = xOf(at, view);
      pen.fillRect(x, top, 1, 4);
      if (x > label() + 20 && x < width - 24) pen.fillText(at.toFixed(digits) + ' s', x, top + 12);
    }
  };

  // What is in view in words, and as a list for those who cannot see it, or want to read.
  const report = () => {
    const found = matches ? matches.reduce((a, b) => a + b, 0) : ops.n, [from, to] = span();
    let text = matches ? `${count(found)} of ${plural(ops.n, 'operation')} match` : plural(ops.n, 'operation');
    if (own.stretches.length && ops.n < own.total) {
      text += ` (of ${count(own.total)} in all; the others are ${served && pass ? 'read when they are in view' : 'in the plots, and one by one in `ordeal serve`'})`;
    }
    if (lanes.length < everyLane.length) text += `; drawn ${lanes.length} of ${count(everyLane.length)} clients: filter or zoom in for the others`;
    $('clients-count').textContent = text + `; in view ${from.toFixed(3)} s to ${to.toFixed(3)} s`;
    if ($('clients-list').open) list();
  };
  const list = () => {
    const found = inView(201), body = $('clients-table').tBodies[0];
    body.replaceChildren(...found.slice(0, 200).map(i => {
      const row = document.createElement('tr'), link = element('a', { href: '#' }, ops.start[i].toFixed(6));
      link.addEventListener('click', e => { e.preventDefault(); choose(i); });
      for (const [what, kind] of [[link, 'n'], [String(ops.process[i])], [key(i)], [saidOf(i)], [resultOf(i), outcomes[ops.outcome[i]] + '-text'],
        [ops.end[i] === Infinity ? '' : duration(ops.end[i] - ops.start[i]), 'n'], [node(i)]]) {
        row.append(element('td', { class: kind }, what));
      }
      return row;
    }));
    $('clients-more').hidden = found.length <= 200;
  };
  $('clients-list').addEventListener('toggle', () => { if (ops) report(); });

  const detail = () => {
    panel.hidden = chosen < 0;
    if (chosen < 0) return;
    const i = chosen;
    $('operation-text').textContent = explain(i);
    $('operation-key').hidden = !key(i);
    if ($('operation-messages')) $('operation-messages').hash = 'op=' + ops.index[i];
    $('operation-key').textContent = state.get('key') === key(i) ? 'All keys' : `Only key ${key(i).length > 24 ? key(i).slice(0, 24) + '…' : key(i)}`;
  };
  const choose = i => {
    const [from, to] = span(), changes = { view: 'clients', op: i < 0 ? null : ops.index[i] };
    if (i >= 0) changes.at = short(ops.start[i]);
    if (i >= 0 && (ops.start[i] < from || ops.start[i] > to)) {
      const half = (to - from) / 2;
      changes.t = spanText(ops.start[i] - half, ops.start[i] + half);
    }
    go(changes);
  };
  const step = direction => {
    const start = chosen < 0 ? firstFrom(null, span()[0] + most) - direction : chosen;
    for (let i = start + direction; i >= 0 && i < ops.n; i += direction) if (passes(i)) return choose(i);
  };

  // The address decides what is shown.
  watchers.push(() => {
    if (!ops) return;
    matches = filter();
    for (const name of ['key', 'client', 'outcome', 'f', 'q']) {
      const control = form.elements[name];
      if (document.activeElement !== control) control.value = state.get(name) || '';
    }
    const event = state.get('op');
    chosen = event === null ? -1 : ops.numbers.get(Number(event)) ?? -1;
    if (chosen >= 0 && !state.get('t')) { // a link to an operation leads near enough to see it
      const half = Math.max(length / 2000, Math.min(most, (ops.end[chosen] - ops.start[chosen]) || most) * 6, 1e-4);
      return go({ t: spanText(ops.start[chosen] - half, ops.start[chosen] + half) });
    }
    pickLanes();
    detail();
    report();
    draw();
    ask();
  });

  const shift = share => {
    const [from, to] = span(), by = Math.min(Math.max(from + (to - from) * share, 0), length - (to - from)) - from;
    go({ view: 'clients', t: spanText(from + by, to + by) });
  };
  const zoom = (factor, middle) => {
    const now = span();
    go({ view: 'clients', t: spanText(...zoomed(now, factor, middle ?? (now[0] + now[1]) / 2, 2e-5)) });
  };
  const hit = e => {
    const box = canvas.getBoundingClientRect(), x = e.clientX - box.left, y = e.clientY - box.top, view = span();
    const l = Math.floor((y - overview - 8) / laneHeight);
    if (x < label() || l < 0 || l >= lanes.length) return -1;
    const at = timeOf(x, view), near = (view[1] - view[0]) / (width - label()) * 4, listed = lanes[l].ops;
    let best = -1, distance = near;
    for (let p = firstFrom(listed, at - near); p < listed.length && ops.start[listed[p]] <= at + near; p++) {
      const i = listed[p], end = Math.min(ops.end[i], ops.next[i]);
      const d = at < ops.start[i] ? ops.start[i] - at : at > end ? at - end : 0;
      if (passes(i) && d <= distance) { best = i; distance = d; }
    }
    return best;
  };
  let pulled = null;
  canvas.addEventListener('pointermove', e => {
    if (!ops) return;
    if (pulled) {
      const moved = e.clientX - pulled.x;
      pulled.far ||= Math.abs(moved) > 3;
      if (!pulled.far) return;
      const [from, to] = pulled.view, wide = to - from;
      const start = pulled.overview ? timeOf(e.clientX - canvas.getBoundingClientRect().left, [0, length]) - wide / 2
        : from - moved / (width - label()) * wide;
      const kept = Math.min(Math.max(start, 0), length - wide);
      return go({ view: 'clients', t: spanText(kept, kept + wide) });
    }
    const i = hit(e);
    canvas.style.cursor = i >= 0 ? 'pointer' : 'grab';
    if (i >= 0) return show(explain(i), e.clientX, e.clientY);
    const box = canvas.getBoundingClientRect(), at = timeOf(e.clientX - box.left, e.clientY - box.top < overview ? [0, length] : span());
    const faults = ops.faults.filter(([from, to]) => from <= at && to >= at).map(f => 'during ' + f[3]);
    if (at >= 0) show([at.toFixed(6) + ' s', ...faults].join('\n'), e.clientX, e.clientY); else hide();
  });
  canvas.addEventListener('pointerleave', hide);
  canvas.addEventListener('pointerdown', e => {
    if (e.button !== 0 || !ops) return;
    pulled = { x: e.clientX, view: span(), far: false, overview: e.clientY - canvas.getBoundingClientRect().top < overview };
    if (e.isTrusted) canvas.setPointerCapture(e.pointerId);
  });
  canvas.addEventListener('pointerup', e => {
    const was = pulled;
    pulled = null;
    if (!was || was.far) return;
    if (was.overview) {
      const at = timeOf(e.clientX - canvas.getBoundingClientRect().left, [0, length]), half = (was.view[1] - was.view[0]) / 2;
      const start = Math.min(Math.max(at - half, 0), length - 2 * half);
      return go({ view: 'clients', t: spanText(start, start + 2 * half) });
    }
    const i = hit(e);
    if (i >= 0) choose(i); else go({ view: 'clients', op: null, at: short(Math.max(0, timeOf(e.clientX - canvas.getBoundingClientRect().left, span()))) });
  });
  canvas.addEventListener('pointercancel', () => { pulled = null; });
  canvas.addEventListener('dblclick', e => zoom(4, timeOf(e.clientX - canvas.getBoundingClientRect().left, span())));
  canvas.addEventListener('wheel', e => {
    if (e.ctrlKey || e.metaKey) zoom(Math.exp(-e.deltaY / 200), timeOf(e.clientX - canvas.getBoundingClientRect().left, span()));
    else if (Math.abs(e.deltaX) > Math.abs(e.deltaY)) shift(e.deltaX / width);
    else return;
    e.preventDefault();
  }, { passive: false });
  canvas.addEventListener('keydown', e => {
    const act = { ArrowLeft: () => shift(-0.2), ArrowRight: () => shift(0.2), '+': () => zoom(2), '=': () => zoom(2), '-': () => zoom(0.5),
      0: () => go({ view: 'clients', t: null }), n: () => step(1), ArrowDown: () => step(1), p: () => step(-1), ArrowUp: () => step(-1),
      Escape: () => choose(-1), Enter: () => { if (chosen >= 0) toLogs(); } }[e.key];
    if (!act || !ops || e.altKey || e.ctrlKey || e.metaKey) return;
    e.preventDefault();
    act();
  });
  const toLogs = () => { go({ view: 'logs', at: short(ops.start[chosen]) }); scrollTo('logs'); };
  $('operation-logs').addEventListener('click', toLogs);
  $('operation-key').addEventListener('click', () => go({ view: 'clients', key: state.get('key') === key(chosen) ? null : key(chosen) }));
  $('operation-close').addEventListener('click', () => choose(-1));
  for (const [id, act] of [['clients-in', () => zoom(2)], ['clients-out', () => zoom(0.5)], ['clients-all', () => go({ view: 'clients', t: null })],
    ['clients-back', () => shift(-0.5)], ['clients-on', () => shift(0.5)]]) $(id).addEventListener('click', act);
  form.addEventListener('submit', e => e.preventDefault());
  form.addEventListener('input', e => go({ view: 'clients', [e.target.name]: e.target.value }));
  $('clients-clear').addEventListener('click', () => go({ view: 'clients', key: null, client: null, outcome: null, f: null, q: null, op: null }));

  const fillLists = () => {
    const keys = [...new Set(ops.key)].map(k => ops.texts[k]).filter(k => k).sort((a, b) => a.localeCompare(b, undefined, { numeric: true }));
    $('known-keys').append(...keys.slice(0, 2000).map(k => element('option', { value: k })));
    form.elements.f.append(...[...new Set(ops.f)].map(n => ops.texts[n]).sort().map(n => element('option', { value: n }, n)));
  };
  const begin = async () => {
    own = await unpack('operations-data');
    ops = prepare(own);
    look();
    size();
    fillLists();
    $('clients').classList.remove('waiting');
    notify();
  };
  addEventListener('resize', () => { if (ops) { size(); density = null; draw(); } });
  for (const query of ['(prefers-color-scheme: dark)', 'print']) {
    // At once: a page that is being printed gets no other frame.
    matchMedia(query).addEventListener('change', () => { if (ops) { look(); size(); density = null; paint(); } });
  }
  if (canvas) setTimeout(begin, 0); // after the first view
}
