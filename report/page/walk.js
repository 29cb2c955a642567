// The keyboard's way through the drawings of this page.
for (const drawing of document.querySelectorAll('.proof-figure svg.draw')) rove(drawing, marksIn(drawing, 'g[tabindex]'));
for (const drawing of document.querySelectorAll('#plots svg.draw')) {
  const bars = marksIn(drawing, 'g[tabindex]'), columns = marksIn(drawing, '.hits rect'), found = marksIn(drawing, '.points > *');
  const at = mark => parseFloat(mark.getAttribute('cx') ?? mark.getAttribute('x')), points = () => found().sort((a, b) => at(a) - at(b));
  if (drawing.querySelector('.points > *')) rove(drawing, columns, points);
  else if (drawing.querySelector('.hits rect')) rove(drawing, columns);
  else if (drawing.querySelector('g[tabindex]')) rove(drawing, bars);
}
