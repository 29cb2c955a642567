// Marks by the keyboard: a drawing is one stop of Tab, the arrow keys go from mark to mark in it, and each says what it is.
// Left and right go along time; in a drawing with points up and down go from point to point.
const rove = (drawing, across, down = across) => {
  drawing.setAttribute('tabindex', '0');
  const middle = mark => { const box = mark.getBoundingClientRect(); return box.left + box.width / 2; };
  const nearest = (list, x) => list.reduce((best, mark) => Math.abs(middle(mark) - x) < Math.abs(middle(best) - x) ? mark : best);
  let held = null;
  const enter = mark => {
    held = mark;
    mark.setAttribute('tabindex', '-1');
    mark.setAttribute('role', 'img');
    mark.setAttribute('aria-label', words(mark));
    mark.focus();
  };
  drawing.addEventListener('keydown', e => {
    if (e.altKey || e.ctrlKey || e.metaKey) return;
    const direction = { ArrowRight: 1, ArrowDown: 1, PageDown: 10, ArrowLeft: -1, ArrowUp: -1, PageUp: -10, Home: -Infinity, End: Infinity }[e.key];
    const upright = e.key === 'ArrowUp' || e.key === 'ArrowDown', within = drawing.contains(document.activeElement) && document.activeElement !== drawing;
    if (e.key === 'Enter' && within && held) {
      const box = held.getBoundingClientRect();
      e.preventDefault();
      held.dispatchEvent(new MouseEvent('click', { bubbles: true, detail: 1, clientX: middle(held), clientY: box.top + box.height / 2 }));
    }
    if (direction === undefined) return;
    const list = upright ? down() : across();
    if (!list.length) return;
    e.preventDefault();
    const at = within ? list.indexOf(held) : -1;
    if (at >= 0) enter(list[Math.min(Math.max(at + direction, 0), list.length - 1)]);
    else if (within && held && Number.isFinite(direction)) enter(nearest(list, middle(held)));
    else enter(list[direction === Infinity ? list.length - 1 : 0]);
  });
};
const marksIn = (drawing, selector) => () => [...drawing.querySelectorAll(selector)];
