// The plots over time: zooming makes the drawing wider inside its frame, which scrolls.
{
  const frame = $('plots'), wide = frame.querySelector('.wide'), most = 64;
  const factorOf = ([from, to]) => Math.min(most, length / (to - from));
  let own = false; // the frame is being scrolled by us
  watchers.push(() => {
    const now = span(), factor = factorOf(now);
    wide.style.setProperty('--zoom', factor);
    frame.classList.toggle('zoomed', factor >= 4);
    own = true;
    frame.scrollLeft = (now[0] + now[1]) / 2 / length * wide.offsetWidth - frame.clientWidth / 2;
    requestAnimationFrame(() => requestAnimationFrame(() => { own = false; }));
    for (const b of document.querySelectorAll('[data-zoom]')) b.setAttribute('aria-pressed', b.dataset.zoom === String(Math.round(factor * 100) / 100));
  });
  const zoom = (factor, middle) => {
    const now = span();
    go({ view: 'time', t: spanText(...zoomed(now, factor / factorOf(now), middle ?? (now[0] + now[1]) / 2, length / most)) });
  };
  for (const b of document.querySelectorAll('[data-zoom]')) b.addEventListener('click', () => zoom(Number(b.dataset.zoom)));
  const toEvidence = $('to-evidence');
  if (toEvidence) toEvidence.addEventListener('click', () => {
    const from = Number(toEvidence.dataset.from), to = Number(toEvidence.dataset.to), half = Math.max((to - from), length / 32);
    go({ view: 'time', t: spanText((from + to) / 2 - half, (from + to) / 2 + half) });
  });
  let later = 0;
  frame.addEventListener('scroll', () => {
    if (own || wide.offsetWidth <= frame.clientWidth) return;
    clearTimeout(later);
    later = setTimeout(() => {
      const from = frame.scrollLeft / wide.offsetWidth * length;
      state.set('t', spanText(from, from + frame.clientWidth / wide.offsetWidth * length));
      state.set('view', 'time');
      history.replaceState(null, '', '#' + state);
    }, 150);
  });
  const momentAt = e => {
    const box = wide.getBoundingClientRect();
    return Math.min(Math.max((e.clientX - box.left) / box.width, 0), 1) * length;
  };
  frame.addEventListener('wheel', e => {
    if (!e.ctrlKey && !e.metaKey) return;
    e.preventDefault();
    zoom(factorOf(span()) * Math.exp(-e.deltaY / 200), momentAt(e));
  }, { passive: false });
  frame.addEventListener('keydown', e => {
    const factor = { '+': 2, '=': 2, '-': 0.5 }[e.key];
    if (factor) zoom(factorOf(span()) * factor);
    if (e.key === '0') go({ t: null });
  });

  // A line through all plots at the pointer, and one at the chosen moment. Pulling chooses a stretch and zooms to it.
  const cross = wide.querySelector('.cross'), chosen = wide.querySelector('.chosen'), pulled = wide.querySelector('.pulled');
  let from = null;
  wide.addEventListener('pointermove', e => {
    const at = momentAt(e), share = at / length;
    cross.hidden = false;
    cross.style.left = share * 100 + '%';
    cross.classList.toggle('left', share > 0.9);
    cross.dataset.time = at.toFixed(3) + ' s';
    if (from === null) return;
    pulled.hidden = Math.abs(at - from) < length / wide.offsetWidth * 5;
    pulled.style.left = Math.min(at, from) / length * 100 + '%';
    pulled.style.width = Math.abs(at - from) / length * 100 + '%';
  });
  wide.addEventListener('pointerleave', () => { cross.hidden = true; });
  wide.addEventListener('pointerdown', e => { if (e.button === 0 && e.pointerType === 'mouse') from = momentAt(e); });
  addEventListener('pointerup', e => {
    if (from === null) return;
    const at = momentAt(e), start = from;
    from = null;
    if (pulled.hidden) return;
    pulled.hidden = true;
    go({ view: 'time', t: spanText(...zoomed([Math.min(at, start), Math.max(at, start)], 1, (at + start) / 2, length / most)) });
    wide.addEventListener('click', e => e.stopImmediatePropagation(), { capture: true, once: true });
    setTimeout(() => wide.dispatchEvent(new MouseEvent('click')), 0); // takes the one that may not have come
  });
  wide.addEventListener('click', e => { if (e.isTrusted || e.detail) go({ view: 'time', at: short(momentAt(e)) }); });
  watchers.push(() => {
    const at = state.get('at');
    chosen.hidden = at === null;
    chosen.style.left = Number(at) / length * 100 + '%';
  });
}
