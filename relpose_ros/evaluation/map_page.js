// The page's own data is DATA. Thumbnails are in it once, in the gallery; others refer to them.
const all = (selector) => [...document.querySelectorAll(selector)];
const wedges = all('.keyframe'), thumbnails = all('.gallery figure');
const rowOf = new Map(DATA.keyframes.map((keyframe, row) => [keyframe.id, row]));
const picture = (row) => thumbnails[row].querySelector('img').src;
const one = document.getElementById('one'), links = document.getElementById('links');

function element(name, parent, properties = {}) {
  return parent.appendChild(Object.assign(document.createElement(name), properties));
}

function choose(row, scroll = false) {
  const keyframe = DATA.keyframes[row];
  all('.chosen').forEach((each) => each.classList.remove('chosen'));
  wedges[row].classList.add('chosen');
  thumbnails[row].classList.add('chosen');
  one.replaceChildren();
  element('img', one, { src: picture(row), alt: '' });
  element('h3', one, { textContent: `Keyframe ${keyframe.id}` });
  const [x, y, z] = keyframe.position;
  element('div', one, { textContent: `at ${x}, ${y}, ${z} m; ${keyframe.stamp} s` });
  element('div', one, { textContent: `blur ${keyframe.blur}` });
  keyframe.findings.forEach((text) => element('div', one, { textContent: text, className: 'bad' }));
  element('div', one, { textContent: 'Most similar:' });
  const similar = element('div', one, { className: 'similar' });
  links.replaceChildren();
  keyframe.similar.slice(0, 4).forEach(([other, similarity]) => {
    const figure = element('figure', similar, { onclick: () => choose(other) });
    element('img', figure, { src: picture(other), alt: '' });
    const apart = Math.hypot(...keyframe.position.map((p, i) => p - DATA.keyframes[other].position[i]));
    element('figcaption', figure, {
      textContent: `${DATA.keyframes[other].id}: ${similarity.toFixed(2)}, ${apart.toFixed(1)} m`,
    });
    const line = document.createElementNS('http://www.w3.org/2000/svg', 'line');
    const [a, b] = [keyframe.place, DATA.keyframes[other].place];
    Object.entries({ x1: a[0], y1: a[1], x2: b[0], y2: b[1] }).forEach((each) => line.setAttribute(...each));
    links.appendChild(line);
  });
  if (scroll) document.getElementById('above').scrollIntoView({ block: 'center', behavior: 'smooth' });
}

wedges.forEach((wedge, row) => wedge.addEventListener('mouseenter', () => { if (!drag) choose(row); }));
thumbnails.forEach((figure, row) => figure.addEventListener('click', () => choose(row, true)));
all('img[data-of]').forEach((image) => { image.src = picture(rowOf.get(Number(image.dataset.of))); });
all('figure[data-id] .pair').forEach((pair) => pair.addEventListener('click', () => {
  choose(rowOf.get(Number(pair.parentElement.dataset.id)), true);
}));

// Layers of coverage.
function show(layer) {
  all('image.layer').forEach((each) => { each.style.display = each.dataset.layer === layer ? '' : 'none'; });
  all('.tools [data-layer]').forEach((each) => each.classList.toggle('on', each.dataset.layer === layer));
}
all('.tools button').forEach((button) => button.addEventListener('click', () => show(button.dataset.layer)));

// Wheel and drag move the map.
const svg = document.getElementById('above'), world = document.getElementById('world');
let zoom = 1, shift = [0, 0], drag = null;
function pointer(event) {
  return new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
}
function place() { world.setAttribute('transform', `translate(${shift}) scale(${zoom})`); }
svg.addEventListener('wheel', (event) => {
  event.preventDefault();
  const at = pointer(event), next = Math.min(40, Math.max(1, zoom * 1.2 ** -Math.sign(event.deltaY)));
  shift = next === 1 ? [0, 0] : [at.x - (at.x - shift[0]) * next / zoom, at.y - (at.y - shift[1]) * next / zoom];
  zoom = next;
  place();
}, { passive: false });
svg.addEventListener('pointerdown', (event) => { const at = pointer(event); drag = [at.x - shift[0], at.y - shift[1]]; });
window.addEventListener('pointermove', (event) => {
  if (!drag) return;
  const at = pointer(event);
  shift = [at.x - drag[0], at.y - drag[1]];
  place();
});
window.addEventListener('pointerup', () => { drag = null; });

// The matrix.
const canvas = document.getElementById('matrix'), { starts, top, levels } = DATA.matrix;
const bytes = Uint8Array.from(atob(levels), (letter) => letter.charCodeAt(0));
canvas.width = canvas.height = starts.length;
const image = new ImageData(starts.length, starts.length);
bytes.forEach((level, i) => image.data.set([...DATA.colours[level], 255], 4 * i));
canvas.getContext('2d').putImageData(image, 0, 0);
function cellAt(event) {
  const box = canvas.getBoundingClientRect();
  return [(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width]
    .map((share) => Math.min(starts.length - 1, Math.max(0, Math.floor(share * starts.length))));
}
function names(cell) {
  const last = (cell + 1 < starts.length ? starts[cell + 1] : DATA.keyframes.length) - 1;
  const [a, b] = [starts[cell], last].map((row) => DATA.keyframes[row].id);
  return a === b ? `${a}` : `${a} to ${b}`;
}
canvas.addEventListener('mousemove', (event) => {
  const [row, column] = cellAt(event), level = bytes[row * starts.length + column];
  const value = (level * top / 255).toFixed(2);
  document.getElementById('cell').textContent =
    `Keyframe ${names(row)} and ${names(column)}: similarity ${level === 255 ? `${value} or more` : value}`;
});
canvas.addEventListener('click', (event) => choose(starts[cellAt(event)[0]], true));

show('keyframes');
const suspect = DATA.keyframes.findIndex((keyframe) => keyframe.findings.length);
choose(Math.max(0, suspect));
