// The nodes' logs around a moment.
{
  const body = $('log-lines'), nodes = $('log-nodes'), grep = $('log-grep'), page = 150;
  let lines = null, from = 0, to = 0, found = [];

  const only = () => { const n = state.get('node'); return n === null ? null : new Set(n.split(',')); };
  const select = () => {
    const wanted = only(), text = (state.get('grep') || '').toLowerCase();
    found = [];
    for (let i = 0; i < lines.at.length; i++) {
      if ((!wanted || wanted.has(lines.logs[lines.log[i]])) && (!text || lines.text[i].toLowerCase().includes(text))) found.push(i);
    }
  };
  const level = text => /level=(ERROR|WARN)/.exec(text)?.[1] || (/^panic:/.test(text) ? 'ERROR' : '');
  const row = i => {
    const text = lines.text[i], at = lines.at[i] / 1e3, kind = level(text);
    const time = element('a', { href: '#', class: 'n', tabindex: '-1' }, at.toFixed(3));
    time.addEventListener('click', e => { e.preventDefault(); go({ view: 'logs', at: short(at) }); });
    return element('li', { class: kind.toLowerCase(), 'data-line': i }, time, element('span', { class: 'node c' + lines.log[i] % 8 }, lines.logs[lines.log[i]]), element('code', {}, text));
  };
  // Around the chosen moment; as long as none is, around the evidence.
  const proof = body && $('logs').dataset.from ? Number($('logs').dataset.from) : null;
  const middleOf = () => state.get('at') === null ? proof : Number(state.get('at'));
  const marker = at => element('li', { class: 'now', id: 'log-now' }, element('span', { class: 'n' }, at.toFixed(3)), element('span', {}, ''),
    element('strong', {}, state.get('at') === null ? 'the evidence begins' : 'the chosen moment'));
  const fill = () => {
    const at = middleOf(), rows = [];
    let marked = at === null;
    for (let p = from; p < to; p++) {
      if (!marked && lines.at[found[p]] / 1e3 > at) { rows.push(marker(at)); marked = true; }
      rows.push(row(found[p]));
    }
    if (!marked && to === found.length) rows.push(marker(at));
    body.replaceChildren(...rows);
    $('log-earlier').hidden = from === 0;
    $('log-later').hidden = to === found.length;
    let text = found.length === lines.at.length ? plural(lines.at.length, 'line') : `${count(found.length)} of ${plural(lines.at.length, 'line')}`;
    if (lines.missed) text += `; ${plural(lines.missed, 'more line')} in the files, away from faults and evidence`;
    $('log-count').textContent = text;
  };
  let last = '';
  const update = () => {
    if (!lines) return;
    const now = ['at', 'node', 'grep'].map(k => state.get(k)).join('\n');
    if (now === last) return;
    last = now;
    if (document.activeElement !== grep) grep.value = state.get('grep') || '';
    const wanted = only();
    for (const box of nodes.querySelectorAll('input')) box.checked = !wanted || wanted.has(box.value);
    select();
    const at = middleOf();
    let middle = at === null ? 0 : found.findIndex(i => lines.at[i] > at * 1e3);
    if (middle < 0) middle = found.length;
    from = Math.max(0, middle - page);
    to = Math.min(found.length, middle + page);
    fill();
    const mark = $('log-now');
    if (mark) body.scrollTop = mark.offsetTop - body.clientHeight / 2;
  };
  watchers.push(update);
  if (body) {
    $('log-earlier').addEventListener('click', () => { from = Math.max(0, from - page); fill(); });
    $('log-later').addEventListener('click', () => { to = Math.min(found.length, to + page); fill(); });
    // The list is one stop of Tab; the arrow keys go from line to line.
    body.addEventListener('keydown', e => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[e.key], links = [...body.querySelectorAll('a')];
      if (!step || !links.length) return;
      e.preventDefault();
      const at = links.indexOf(document.activeElement), now = $('log-now'), next = now && now.nextElementSibling && now.nextElementSibling.querySelector('a');
      links[Math.min(Math.max(at < 0 ? links.indexOf(next || links[0]) : at + step, 0), links.length - 1)].focus();
    });
    grep.addEventListener('input', () => go({ view: 'logs', grep: grep.value }));
    nodes.addEventListener('change', () => {
      const boxes = [...nodes.querySelectorAll('input')], on = boxes.filter(b => b.checked).map(b => b.value);
      go({ view: 'logs', node: on.length === boxes.length ? null : on.join(',') || '-' });
    });
    setTimeout(async () => {
      lines = await unpack('logs-data');
      nodes.append(...lines.logs.map((name, i) => element('label', { class: 'c' + i % 8 }, element('input', { type: 'checkbox', value: name, checked: true }), ' ' + name)));
      update();
    }, 0);
  }
}
